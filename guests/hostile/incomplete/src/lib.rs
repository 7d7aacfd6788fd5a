//! A component in good order that is no service: it exports something else. A node has to refuse
//! it, naming the interface that is missing.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package tenon:hostile;
            world incomplete { export greet: func() -> string; }
        ",
    });
}

struct Incomplete;

#[expect(unsafe_code, reason = "generated: it crosses the sandbox's wall with raw memory")]
const _: () = {
    bindings::export!(Incomplete with_types_in bindings);
};

impl bindings::Guest for Incomplete {
    fn greet() -> String {
        "no service".to_owned()
    }
}
