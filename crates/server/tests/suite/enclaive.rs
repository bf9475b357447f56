//! Tests of this surface.
