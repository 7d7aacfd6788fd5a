//! Another build of a component: the same code under another hash.

/// `component` with a custom section `name` at its end, which changes nothing but its bytes.
#[must_use]
pub fn with_custom_section(component: &[u8], name: &str) -> Vec<u8> {
    let mut content = leb128(name.len());
    content.extend(name.as_bytes());
    let mut bytes = component.to_vec();
    // Section 0 is custom: everybody ignores it.
    bytes.push(0);
    bytes.extend(leb128(content.len()));
    bytes.extend(content);
    bytes
}

/// An unsigned number as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_appended_as_webassembly_writes_it() {
        assert_eq!(with_custom_section(b"wasm", "ab"), b"wasm\0\x03\x02ab");
        assert_eq!(leb128(127), [0x7f]);
        assert_eq!(leb128(128), [0x80, 0x01]);
        assert_eq!(leb128(624_485), [0xe5, 0x8e, 0x26]);
    }
}
