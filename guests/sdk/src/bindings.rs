//! Generated from `wit/`: the only place that knows how values cross the sandbox's wall.
//!
//! One world for everything a host lends, and one for each interface that a service exports. The
//! linker describes a component by the worlds it finds. It drops imports that nothing calls, but
//! insists on every export: hence a world an export, linked in by [`crate::export!`] alone.

/// Everything that a host lends, and the vocabulary of what services export.
pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package tenon:sdk;
            world imports {
                import tenon:host/context@1.0.0;
                import tenon:host/log@1.0.0;
                import tenon:host/state@1.0.0;
                import tenon:host/blob@1.0.0;
                import tenon:host/mysql@1.0.0;
                import tenon:host/files@1.0.0;
                import tenon:host/secrets@1.0.0;
                import tenon:service/types@1.0.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
        additional_type_attributes: {
            "tenon:service/types@1.0.0/inventory-page": [#[derive(Default)]],
        },
    });
}

#[cfg(target_arch = "wasm32")]
macro_rules! exported_interface {
    ($name:ident, $export_macro:literal, $world:literal, { $($with:tt)* }) => {
        pub mod $name {
            wit_bindgen::generate!({
                path: "../../wit",
                inline: $world,
                with: {
                    "tenon:host/context@1.0.0": super::imports::tenon::host::context,
                    "tenon:service/types@1.0.0": super::imports::tenon::service::types,
                    $($with)*
                },
                generate_all,
                pub_export_macro: true,
                export_macro_name: $export_macro,
            });
        }
    };
}

#[cfg(target_arch = "wasm32")]
exported_interface!(
    lifecycle,
    "export_lifecycle",
    "package tenon:sdk; world lifecycle { export tenon:service/lifecycle@1.0.0; }",
    {}
);
#[cfg(target_arch = "wasm32")]
exported_interface!(
    snapshots,
    "export_snapshots",
    "package tenon:sdk; world snapshots { export tenon:service/snapshots@1.0.0; }",
    { "tenon:host/blob@1.0.0": super::imports::tenon::host::blob }
);
#[cfg(target_arch = "wasm32")]
exported_interface!(
    suspension,
    "export_suspension",
    "package tenon:sdk; world suspension { export tenon:service/suspension@1.0.0; }",
    {}
);
#[cfg(target_arch = "wasm32")]
exported_interface!(
    metering,
    "export_metering",
    "package tenon:sdk; world metering { export tenon:service/metering@1.0.0; }",
    {}
);
#[cfg(target_arch = "wasm32")]
exported_interface!(
    migration,
    "export_migration",
    "package tenon:sdk; world migration { export tenon:service/migration@1.0.0; }",
    {}
);
#[cfg(target_arch = "wasm32")]
exported_interface!(
    maintenance,
    "export_maintenance",
    "package tenon:sdk; world maintenance { export tenon:service/maintenance@1.0.0; }",
    {}
);
