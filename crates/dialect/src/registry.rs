//! All dialects that a server knows, and which of them a path belongs to.
