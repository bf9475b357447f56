//! Where one request ends and the next begins, watched over before anything is parsed. A request whose end another reader
//! (a proxy in front, say) could see elsewhere is made unreadable: the parser behind answers 400 and closes. RFC 9112
//! lets a server refuse all of these; hyper repairs some of them.

/// Longer lines than this are no `Content-Length` and no `Transfer-Encoding` that we take.
const LONGEST_FRAMING_LINE: usize = 64;

/// Where in a request the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the request line; blank lines are passed over.
    #[default]
    Before,
    Headers,
    /// So many bytes of the body are to come.
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    /// Refused: the rest of the connection is not read.
    Spoilt,
}

/// The request's framing cannot be trusted.
struct Refused;

/// What is known of the request that is coming in.
#[derive(Debug, Default)]
pub(super) struct Framing {
    place: Place,
    /// The beginning of the current line, where it may say how the body is framed.
    line: Vec<u8>,
    is_kept: bool,
    /// Whether a refused request was refused for its head.
    is_head: bool,
    line_length: usize,
    last_byte: u8,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// Whether the request was refused: nothing after it counts.
    pub(super) fn is_spoilt(&self) -> bool {
        self.place == Place::Spoilt
    }

    /// Whether the parser has a head that will not do, or only the beginning of it. With a body it must not be told of an
    /// end: that would be one of the request.
    pub(super) fn is_spoilt_head(&self) -> bool {
        self.is_spoilt() && self.is_head
    }

    pub(super) fn is_between_requests(&self) -> bool {
        self.place == Place::Before
    }

    /// Follows the bytes; spoils them from where the request is refused.
    pub(super) fn look(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = bytes.len() - at;
            at += match self.place {
                Place::Body(left) => {
                    let (taken, left) = take(left, rest);
                    self.place = if left == 0 {
                        Place::Before
                    } else {
                        Place::Body(left)
                    };
                    taken
                }
                Place::ChunkData(left) => {
                    let (taken, left) = take(left, rest);
                    self.place = if left == 0 {
                        Place::ChunkEnd
                    } else {
                        Place::ChunkData(left)
                    };
                    taken
                }
                Place::Spoilt => {
                    bytes[at..].fill(0);
                    rest
                }
                _ => self.look_at_line(&mut bytes[at..]),
            };
        }
    }

    /// Takes bytes up to the end of the line, if it is here; answers how many.
    fn look_at_line(&mut self, bytes: &mut [u8]) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if self.line_length == 0 {
            self.is_kept = self.place != Place::Headers || begins_framing(part);
        }
        if self.is_kept {
            let room = LONGEST_FRAMING_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
        }
        self.line_length += part.len();
        self.last_byte = part.last().copied().unwrap_or(self.last_byte);
        let Some(end) = end else {
            return bytes.len();
        };
        match self.end_line() {
            Ok(place) => self.place = place,
            Err(Refused) => {
                self.is_head = matches!(self.place, Place::Before | Place::Headers);
                bytes[end] = 0;
                self.place = Place::Spoilt;
            }
        }
        self.line.clear();
        (self.line_length, self.last_byte) = (0, 0);
        end + 1
    }

    /// The line is complete: what comes after it?
    fn end_line(&mut self) -> Result<Place, Refused> {
        if self.last_byte != b'\r' {
            return Err(Refused);
        }
        let is_blank = self.line_length == 1;
        match (self.place, is_blank) {
            (Place::Before, true) => Ok(Place::Before),
            (Place::Before, false) => {
                (self.length, self.chunked) = (None, false);
                Ok(Place::Headers)
            }
            (Place::Headers, false) => self.header().map(|()| Place::Headers),
            (Place::Headers, true) => match (self.length, self.chunked) {
                (Some(_), true) => Err(Refused),
                (None, true) => Ok(Place::ChunkSize),
                (None | Some(0), false) => Ok(Place::Before),
                (Some(length), false) => Ok(Place::Body(length)),
            },
            (Place::ChunkSize, _) => match self.chunk_size()? {
                0 => Ok(Place::Trailers),
                size => Ok(Place::ChunkData(size)),
            },
            (Place::ChunkEnd, true) => Ok(Place::ChunkSize),
            (Place::Trailers, true) => Ok(Place::Before),
            (Place::Trailers, false) => Ok(Place::Trailers),
            _ => Err(Refused),
        }
    }

    /// Notes how the body is framed, which one line may say, once.
    fn header(&mut self) -> Result<(), Refused> {
        let colon = self.line.iter().position(|byte| *byte == b':');
        let (name, value) = self.line.split_at(colon.unwrap_or(self.line.len()));
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let (is_length, is_encoding) = (is("content-length"), is("transfer-encoding"));
        if !is_length && !is_encoding {
            return Ok(());
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let again = self.length.is_some() || self.chunked;
        if again || self.line_length > LONGEST_FRAMING_LINE {
            return Err(Refused);
        }
        if is_encoding {
            self.chunked = value.eq_ignore_ascii_case(b"chunked");
            return if self.chunked { Ok(()) } else { Err(Refused) };
        }
        self.length = Some(number(value, 10)?);
        Ok(())
    }

    fn chunk_size(&self) -> Result<u64, Refused> {
        let is_hex = |byte: &u8| byte.is_ascii_hexdigit();
        let digits = self.line.iter().take_while(|byte| is_hex(byte)).count();
        number(&self.line[..digits], 16)
    }
}

/// See [`crate::fuzzing::framed`].
#[cfg(feature = "fuzzing")]
pub(crate) fn framed(bytes: &[u8], step: usize) -> usize {
    let (mut framing, mut looked) = (Framing::default(), bytes.to_vec());
    for piece in looked.chunks_mut(step) {
        framing.look(piece);
        if framing.place == Place::Spoilt {
            break;
        }
    }
    let same = bytes.iter().zip(&looked).take_while(|(a, b)| a == b);
    same.count()
}

/// Whether it can be the beginning of `Content-Length` or `Transfer-Encoding`.
fn begins_framing(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'c' | b'C' | b't' | b'T'))
}

/// How many of `left` bytes are among the `here` that came, and how many are still to come.
fn take(left: u64, here: usize) -> (usize, u64) {
    let taken = usize::try_from(left).map_or(here, |left| left.min(here));
    (taken, left - taken as u64)
}

/// Digits only: no sign, no list, no blank.
fn number(text: &[u8], radix: u32) -> Result<u64, Refused> {
    let text = std::str::from_utf8(text).map_err(|_| Refused)?;
    let plain = text.chars().all(|c| c.is_digit(radix));
    let number = plain.then(|| u64::from_str_radix(text, radix).ok());
    number.flatten().ok_or(Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the text passes as it is, in one piece and byte by byte; and where it leaves off.
    fn passes(text: &str) -> Option<Place> {
        let mut whole = text.as_bytes().to_vec();
        let mut framing = Framing::default();
        framing.look(&mut whole);
        let mut slow = Framing::default();
        let mut single = Vec::new();
        for byte in text.bytes() {
            let mut byte = [byte];
            slow.look(&mut byte);
            single.push(byte[0]);
        }
        assert_eq!((framing.place, &whole), (slow.place, &single), "{text:?}");
        let unchanged = whole == text.as_bytes();
        assert_eq!(unchanged, framing.place != Place::Spoilt, "{text:?}");
        unchanged.then_some(framing.place)
    }

    #[test]
    fn requests_are_followed_from_one_to_the_next() {
        let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let post = |headers: &str, body: &str| {
            format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}")
        };
        let long = format!("X: {}\r\n", "content-length: 9, ".repeat(50));
        for request in [
            get.to_owned(),
            format!("\r\n\r\n{get}"),
            post("Content-Length: 0\r\n", ""),
            post("content-length:5\r\n", "he\nlo"),
            post("CONTENT-LENGTH: \t 5 \t\r\n", "\n\r\n\r\n"),
            post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            post(
                "transfer-encoding:CHUNKED\r\n",
                "5\r\nhe\nlo\r\n00a;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            ),
            post(
                "X-Content-Length: 5\r\nContent_Length: 7\r\nTransfer-Encodings: x\r\n",
                "",
            ),
            post(&long, ""),
        ] {
            assert_eq!(
                passes(&format!("{request}{request}{get}")),
                Some(Place::Before),
                "{request:?}"
            );
        }
        assert_eq!(
            passes(&post("Content-Length: 18446744073709551615\r\n", "x")),
            Some(Place::Body(u64::MAX - 1))
        );
        assert_eq!(
            passes(&post(
                "Transfer-Encoding: chunked\r\n",
                "ffffffffffffffff\r\nx"
            )),
            Some(Place::ChunkData(u64::MAX - 1))
        );
    }

    #[test]
    fn what_two_readers_could_take_apart_in_two_ways_is_spoilt() {
        for headers in [
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\ncontent-length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: 5e0\r\n",
            "Content-Length: 5 5\r\n",
            "Content-Length: \r\n",
            "Content-Length:\r\n",
            "Content-Length: ٥\r\n",
            "Content-Length: \x0b5\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, gzip\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: ,chunked\r\n",
            "Transfer-Encoding: chunked,\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked;q=1\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Transfer-Encoding: chunked\0\r\n",
            "Transfer-Encoding:\r\n",
            "X: y\n",
            "X: y\nTransfer-Encoding: chunked\r\n",
            "X: y\r\n\n",
            "\n",
        ] {
            assert_eq!(
                passes(&format!("POST / HTTP/1.1\r\n{headers}\r\nhello")),
                None,
                "{headers:?}"
            );
        }
        let blank = " ".repeat(LONGEST_FRAMING_LINE);
        assert_eq!(
            passes(&format!(
                "POST / HTTP/1.1\r\nContent-Length: {blank}5\r\n\r\n"
            )),
            None
        );
        assert_eq!(
            passes(&format!(
                "POST / HTTP/1.1\r\nContent-Length: 5{blank}, 6\r\n\r\n"
            )),
            None
        );
        assert_eq!(passes("GET / HTTP/1.1\n\n"), None);
        assert_eq!(passes("\nGET / HTTP/1.1\r\n\r\n"), None);
        for chunks in [
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello!\r\n0\r\n\r\n",
            "5\r\nhell\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\n\r\n",
            "5\r\nhello\r\n0\r\n\n",
            "\r\nhello\r\n",
            "-5\r\nhello\r\n",
            "+5\r\nhello\r\n",
            "x5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "10000000000000000\r\nhello\r\n",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
        ] {
            assert_eq!(
                passes(&format!(
                    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
                )),
                None,
                "{chunks:?}"
            );
        }
    }
}
