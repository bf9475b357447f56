//! What is counted before a template is parsed.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::{Bounded, NO_SET, line, refused};

/// Words and signs in one tag; each can be a level of nesting, and a level takes a piece of the stack.
const MOST_SIGNS: usize = 256;
/// Blocks in blocks; an `elif` is a block in the one before, and none of them ends before the last does.
const MOST_BLOCKS: usize = 40;
const BLOCKS: [&str; 8] = [
    "autoescape",
    "block",
    "call",
    "filter",
    "for",
    "if",
    "macro",
    "with",
];
/// Pieces of a page under a name of their own: each `include` of a template goes through all of them.
const MOST_NAMED: usize = 64;

/// Bounds the depth of what the parser, which calls itself, would make of it, and how much is named in it.
pub(super) fn count(source: &str) -> Bounded {
    let (mut signs, mut blocks, mut elifs, mut named) = (0, 0_usize, 0, 0);
    let (mut begins, mut sets) = (false, false);
    // What cannot be read is told by the parser.
    for (token, span) in tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok) {
        signs += 1;
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => signs = 0,
            Token::Ident("elif") if begins => elifs += 1,
            Token::Ident("set") if begins => sets = true,
            Token::Ident(name) if begins && BLOCKS.contains(&name) => {
                blocks += 1;
                named += usize::from(name == "block");
            }
            Token::Ident(name) if begins => {
                let ended = name
                    .strip_prefix("end")
                    .is_some_and(|of| BLOCKS.contains(&of));
                blocks = blocks.saturating_sub(ended.into());
            }
            Token::Pipe | Token::BlockEnd if sets => return refused(line(span), NO_SET),
            Token::Assign => sets = false,
            _ => {}
        }
        begins = matches!(token, Token::BlockStart);
        if signs > MOST_SIGNS {
            let message = format!("a tag has {MOST_SIGNS} words and signs at most; make two of it");
            return refused(line(span), message);
        }
        if blocks > MOST_BLOCKS || elifs > MOST_BLOCKS {
            let message = format!("{MOST_BLOCKS} blocks in one another, or `elif`, are the most");
            return refused(line(span), message);
        }
        if named > MOST_NAMED {
            let message = format!("a template has {MOST_NAMED} `block`s at most");
            return refused(line(span), message);
        }
    }
    Ok(())
}
