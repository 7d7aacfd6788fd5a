//! Code generated from `wit/`: the traits that capabilities implement, the calls that guests answer.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "tenon:service/full-service",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "tenon:host/context.call": crate::capability::context::Call,
        "tenon:host/blob.sink": crate::capability::blob::Sink,
        "tenon:host/blob.source": crate::capability::blob::Source,
        "tenon:host/mysql.server": crate::capability::mysql::Server,
        "tenon:host/mysql.database": crate::capability::mysql::Database,
        "tenon:host/files.root": crate::capability::files::Root,
    },
});
