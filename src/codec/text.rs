//! `text`, `varchar(n)`, `bpchar(n)`, `name` and `"char"`: `src/backend/utils/adt/{varlena,varchar,name,char}.c`.

use super::Refusal;

/// `NAMEDATALEN - 1`: the bytes that `name` holds.
const NAME_BYTES: usize = 63;

/// The length that `varchar(n)` and `bpchar(n)` carry in their modifier (`anychar_typmodin`: n + 4).
pub(super) fn length(modifier: i32) -> Option<usize> {
    usize::try_from(modifier).ok()?.checked_sub(4)
}

/// Whether the text has at most so many characters.
pub(super) fn fits(text: &str, length: Option<usize>) -> bool {
    length.is_none_or(|most| text.len() <= most || text.chars().nth(most).is_none())
}

/// Cuts blanks beyond the length; anything else there is too long (`varchar_input`).
pub(super) fn varchar(text: &str, length: Option<usize>, out: &mut String) -> Result<bool, Refusal> {
    let kept = within(text, length)?;
    out.push_str(kept);
    Ok(kept.len() < text.len())
}

/// Pads with blanks to the length, or cuts blanks beyond it (`bpchar_input`). Blanks at the end mean nothing here, so
/// neither is a loss.
pub(super) fn bpchar(text: &str, length: Option<usize>, out: &mut String) -> Result<bool, Refusal> {
    let kept = within(text, length)?;
    out.push_str(kept);
    let missing = length.map_or(0, |length| length - kept.chars().count());
    out.extend(std::iter::repeat_n(' ', missing));
    Ok(false)
}

/// Whether the text is padded to the length exactly.
pub(super) fn is_padded(text: &str, length: Option<usize>) -> bool {
    length.is_none_or(|length| text.chars().count() == length)
}

fn within(text: &str, length: Option<usize>) -> Result<&str, Refusal> {
    let Some((end, _)) = length.and_then(|length| text.char_indices().nth(length)) else { return Ok(text) };
    if text[end..].bytes().all(|byte| byte == b' ') { Ok(&text[..end]) } else { Err(Refusal::TooLong) }
}

/// Cuts to 63 bytes at a character (`namein`).
pub(super) fn name(text: &str, out: &mut String) -> bool {
    let end = (0..=NAME_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    let kept = &text[..end.unwrap_or(0)];
    out.push_str(kept);
    kept.len() < text.len()
}

pub(super) fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES
}

/// The one byte that `"char"` keeps of the text: `\ooo` in octal, else the first byte; none is zero (`charin`).
pub(super) fn char_byte(text: &str) -> (u8, bool) {
    match text.as_bytes() {
        [b'\\', a @ b'0'..=b'7', b @ b'0'..=b'7', c @ b'0'..=b'7'] => {
            ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), false)
        }
        [] => (0, false),
        [byte, rest @ ..] => (*byte, !rest.is_empty()),
    }
}

/// Prints bytes beyond ASCII as `\ooo` and zero as nothing (`charout`).
pub(super) fn write_char(byte: u8, out: &mut String) {
    match byte {
        0 => {}
        1..=127 => out.push(char::from(byte)),
        _ => {
            out.push('\\');
            for shift in [6, 3, 0] {
                out.push(char::from(b'0' + (byte >> shift & 7)));
            }
        }
    }
}
