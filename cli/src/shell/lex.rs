//! The words of a text that is still being typed.
//!
//! Promises: never fails, whatever is missing; the pieces, one behind the
//! other, are the text. It knows as much of SQL as completion, colours and
//! the search for the end of a statement need; statements themselves are
//! parsed by the query crate alone.

/// What a piece of the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Blank,
    Comment,
    Word,
    Number,
    /// In single quotes; whether the closing one is there.
    Text {
        closed: bool,
    },
    /// In double quotes; whether the closing one is there.
    Quoted {
        closed: bool,
    },
    Semicolon,
    Symbol,
}

/// A piece and its place in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) piece: Piece,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Lexeme {
    /// The piece of the text that it is of.
    pub(crate) fn of<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start..self.end]
    }
}

/// The pieces of a text.
pub(crate) fn lex(text: &str) -> Vec<Lexeme> {
    let mut all = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let (piece, length) = first_piece(first, rest);
        let end = start + length.max(first.len_utf8());
        all.push(Lexeme { piece, start, end });
        start = end;
    }
    all
}

fn first_piece(first: char, rest: &str) -> (Piece, usize) {
    let while_is = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
    match first {
        _ if rest.starts_with("--") => (Piece::Comment, rest.find('\n').unwrap_or(rest.len())),
        _ if rest.starts_with("/*") => (Piece::Comment, comment(rest)),
        '\'' => {
            let (length, closed) = quoted(rest, '\'');
            (Piece::Text { closed }, length)
        }
        '"' => {
            let (length, closed) = quoted(rest, '"');
            (Piece::Quoted { closed }, length)
        }
        ';' => (Piece::Semicolon, 1),
        c if c.is_whitespace() => (Piece::Blank, while_is(char::is_whitespace)),
        c if c.is_ascii_digit() => (
            Piece::Number,
            while_is(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_'),
        ),
        c if is_word(c) => (Piece::Word, while_is(is_word)),
        c => (Piece::Symbol, c.len_utf8()),
    }
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length of a text in quotes, in which two quotes are one.
fn quoted(rest: &str, quote: char) -> (usize, bool) {
    let mut from = 1;
    while let Some(at) = rest[from..].find(quote) {
        let after = from + at + 1;
        if !rest[after..].starts_with(quote) {
            return (after, true);
        }
        from = after + 1;
    }
    (rest.len(), false)
}

/// The length of a comment; comments nest.
fn comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut from = 0;
    loop {
        let open = rest[from..].find("/*");
        let close = rest[from..].find("*/");
        match (open, close) {
            (Some(open), Some(close)) if open < close => {
                depth += 1;
                from += open + 2;
            }
            (_, Some(close)) => {
                depth -= 1;
                from += close + 2;
                if depth <= 0 {
                    return from;
                }
            }
            (_, None) => return rest.len(),
        }
    }
}

/// Whether a text is to be taken as it is: a command, or statements of which
/// the last one has its `;`. A text of blanks and comments is complete too.
pub(crate) fn is_complete(text: &str) -> bool {
    if text.trim_start().starts_with('\\') {
        return true;
    }
    let pieces = lex(text);
    let open = |lexeme: &Lexeme| match lexeme.piece {
        Piece::Text { closed } | Piece::Quoted { closed } => !closed,
        Piece::Comment => {
            let comment = lexeme.of(text);
            comment.starts_with("/*") && !comment.ends_with("*/")
        }
        _ => false,
    };
    if pieces.last().is_some_and(open) {
        return false;
    }
    let mut meant = pieces
        .iter()
        .rev()
        .filter(|l| !matches!(l.piece, Piece::Blank | Piece::Comment));
    meant
        .next()
        .is_none_or(|last| last.piece == Piece::Semicolon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_text() {
        let texts = [
            "SELECT 'it''s', \"a b\", 1.5e3 -- why\nFROM t/* x /* y */ z */;",
            "'open",
            "\"open",
            "/* open /* */",
            "häß \u{1F680} ''",
            "--",
        ];
        for text in texts {
            let joined: String = lex(text).iter().map(|l| l.of(text)).collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn a_statement_ends_with_a_semicolon_outside_of_quotes() {
        let cases = [
            ("", true),
            ("  -- nothing", true),
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("SELECT 1; -- done", true),
            ("SELECT 1; SELECT 2", false),
            ("SELECT ';'", false),
            ("SELECT ';", false),
            ("SELECT 'it''s;", false),
            ("SELECT \";\"", false),
            ("SELECT 1 -- ;", false),
            ("SELECT 1 /* ; */", false),
            ("SELECT 1; /* open", false),
            ("\\d", true),
            ("\\o 'a", true),
        ];
        for (text, complete) in cases {
            assert_eq!(is_complete(text), complete, "{text:?}");
        }
    }
}
