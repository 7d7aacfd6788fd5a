//! stub
use std::path::Path;
use wasmtime::component::{Linker, ResourceTable};
use crate::config::{MysqlNamesConfig, MysqlServerConfig};
pub struct Server;
pub struct Database;
#[derive(Clone)]
pub(crate) struct MysqlServers;
impl MysqlServers { pub(crate) fn new(_: &[MysqlServerConfig]) -> Self { Self } }
#[derive(Clone)]
pub(crate) struct MysqlContext;
impl MysqlContext { pub(crate) fn open(_: MysqlServers, _: &MysqlNamesConfig, _: &Path) -> std::io::Result<Self> { Ok(Self) } }
pub(crate) struct MysqlView<'a> { pub(crate) context: Option<&'a MysqlContext>, pub(crate) table: &'a mut ResourceTable }
pub(crate) fn add_to_linker<T: Send + 'static>(_: &mut Linker<T>, _: for<'a> fn(&'a mut T) -> MysqlView<'a>) -> wasmtime::Result<()> { Ok(()) }
