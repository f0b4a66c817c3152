//! Bounds on what a component is made of, looked at before it is compiled.
//!
//! A few bytes can stand for much work. What passes here is compiled with bounds on memory and time
//! all the same; these name what is out of proportion, at once. Each is several times what compilers
//! make of plugins of that size.

use wasmparser::{BinaryReaderError, ElementItems, FunctionBody, Operator, Parser, Payload};

use super::sizes::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::problem::Problem;

/// Components and core modules within each other.
const MAX_DEPTH: u64 = 8;
/// Nested components.
const MAX_COMPONENTS: u64 = 64;
const MAX_TYPES: u64 = 50_000;
/// Imports and exports, each.
const MAX_NAMES: u64 = 20_000;
const MAX_GLOBALS: u64 = 20_000;
const MAX_FUNCTIONS: u64 = 100_000;
/// Bytes of one function.
const MAX_FUNCTION: u64 = 1 << 20;
/// Variables of one function.
const MAX_LOCALS: u64 = 50_000;
/// Variables of all functions.
const MAX_LOCALS_OF_ALL: u64 = 2_000_000;
/// Blocks within each other in one function; a `match` takes one for each of its arms.
const MAX_NESTING: u64 = 10_000;
const MAX_SEGMENTS: u64 = 20_000;
const MAX_ELEMENTS: u64 = 200_000;

/// Checks the bytes of a component.
pub(super) fn check(bytes: &[u8]) -> Result<(), Problem> {
    let mut seen = Seen::default();
    match seen.look_through(bytes) {
        Ok(()) => Ok(()),
        Err(Stopped::Over(problem)) => Err(problem),
        Err(Stopped::Damaged(error)) => Err(Problem::new(
            format!("cannot be compiled: {}", error.message()),
            "copy or build the file again; write to a temporary name and rename when it is complete",
        )),
    }
}

enum Stopped {
    Over(Problem),
    Damaged(BinaryReaderError),
}

impl From<BinaryReaderError> for Stopped {
    fn from(error: BinaryReaderError) -> Self {
        Self::Damaged(error)
    }
}

/// Sums over all that is in the component.
#[derive(Default)]
struct Seen {
    modules: u64,
    components: u64,
    types: u64,
    imports: u64,
    exports: u64,
    globals: u64,
    functions: u64,
    tables: u64,
    memories: u64,
    locals: u64,
    segments: u64,
    elements: u64,
}

impl Seen {
    fn look_through(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        let mut depth = 0_u64;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { .. } => {
                    depth += 1;
                    within("components and modules within each other", depth, MAX_DEPTH)?;
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                payload => self.count(payload)?,
            }
        }
        Ok(())
    }

    fn count(&mut self, payload: Payload<'_>) -> Result<(), Stopped> {
        let modules = u64::from(MAX_CORE_INSTANCES);
        match payload {
            Payload::ModuleSection { .. } => add(&mut self.modules, 1, "core modules", modules),
            Payload::ComponentSection { .. } => {
                add(&mut self.components, 1, "components within it", MAX_COMPONENTS)
            }
            Payload::TypeSection(it) => {
                within("types", it.count().into(), MAX_TYPES)?;
                for group in it {
                    // a group of types that speak of each other counts as one item
                    let types = u64::try_from(group?.types().len()).unwrap_or(u64::MAX);
                    add(&mut self.types, types, "types", MAX_TYPES)?;
                }
                Ok(())
            }
            Payload::CoreTypeSection(it) => {
                add(&mut self.types, it.count().into(), "types", MAX_TYPES)
            }
            Payload::ComponentTypeSection(it) => {
                add(&mut self.types, it.count().into(), "types", MAX_TYPES)
            }
            Payload::ImportSection(it) => {
                add(&mut self.imports, it.count().into(), "imports", MAX_NAMES)
            }
            Payload::ComponentImportSection(it) => {
                add(&mut self.imports, it.count().into(), "imports", MAX_NAMES)
            }
            Payload::ExportSection(it) => {
                add(&mut self.exports, it.count().into(), "exports", MAX_NAMES)
            }
            Payload::ComponentExportSection(it) => {
                add(&mut self.exports, it.count().into(), "exports", MAX_NAMES)
            }
            Payload::GlobalSection(it) => {
                add(&mut self.globals, it.count().into(), "globals", MAX_GLOBALS)
            }
            Payload::TableSection(it) => {
                add(&mut self.tables, it.count().into(), "tables", MAX_TABLES.into())
            }
            Payload::MemorySection(it) => {
                add(&mut self.memories, it.count().into(), "memories", MAX_MEMORIES.into())
            }
            Payload::FunctionSection(it) => {
                add(&mut self.functions, it.count().into(), "functions", MAX_FUNCTIONS)
            }
            Payload::DataSection(it) => {
                add(&mut self.segments, it.count().into(), "data segments", MAX_SEGMENTS)
            }
            Payload::ElementSection(it) => {
                add(&mut self.segments, it.count().into(), "data segments", MAX_SEGMENTS)?;
                for element in it {
                    let items = match element?.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    add(&mut self.elements, items.into(), "elements of tables", MAX_ELEMENTS)?;
                }
                Ok(())
            }
            Payload::CodeSectionEntry(body) => self.function(&body),
            _ => Ok(()),
        }
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), Stopped> {
        let len = u64::try_from(body.range().len()).unwrap_or(u64::MAX);
        within("bytes in one function", len, MAX_FUNCTION)?;
        let mut locals = 0_u64;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(u64::from(group?.0));
        }
        within("variables in one function", locals, MAX_LOCALS)?;
        add(&mut self.locals, locals, "variables", MAX_LOCALS_OF_ALL)?;
        let (mut operators, mut nesting) = (body.get_operators_reader()?, 0_u64);
        while !operators.eof() {
            match operators.read()? {
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. }
                | Operator::Try { .. } => {
                    nesting += 1;
                    within("blocks within each other", nesting, MAX_NESTING)?;
                }
                Operator::End => nesting = nesting.saturating_sub(1),
                _ => {}
            }
        }
        Ok(())
    }
}

fn add(sum: &mut u64, more: u64, what: &str, most: u64) -> Result<(), Stopped> {
    *sum = sum.saturating_add(more);
    within(what, *sum, most)
}

fn within(what: &str, count: u64, most: u64) -> Result<(), Stopped> {
    if count <= most {
        return Ok(());
    }
    Err(Stopped::Over(Problem::new(
        format!("has {count} {what}, the most is {most}"),
        "build the plugin with --release; if that is the same, make two of it",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        check(&wat::parse_str(text).unwrap()).map_or_else(|it| it.message, |()| "fine".to_owned())
    }

    fn module(fields: &str) -> String {
        format!("(component (core module {fields}))")
    }

    #[test]
    fn what_is_out_of_proportion_is_named_with_the_bound() {
        let repeat = |field: &str, times: u64| field.repeat(usize::try_from(times).unwrap());
        let nested = |depth: u64| {
            let (open, close) = (repeat("block ", depth), repeat("end ", depth));
            module(&format!("(func {open} {close})"))
        };
        let deep = |depth: u64| format!("{}{}", repeat("(component ", depth), repeat(")", depth));
        // component, what is told
        let cases = [
            (module(""), "fine".to_owned()),
            (module(&repeat("(func)", MAX_FUNCTIONS)), "fine".to_owned()),
            (
                module(&repeat("(func)", MAX_FUNCTIONS + 1)),
                format!("has {} functions", MAX_FUNCTIONS + 1),
            ),
            (nested(MAX_NESTING), "fine".to_owned()),
            (nested(MAX_NESTING + 1), "blocks within each other".to_owned()),
            (
                module(&format!("(func (local {}))", repeat("i32 ", MAX_LOCALS + 1))),
                "variables in one function".to_owned(),
            ),
            (
                module(&format!("(func {})", repeat("nop ", MAX_FUNCTION))),
                "bytes in one function".to_owned(),
            ),
            (
                module(&format!("(rec {})", repeat("(type (func))", MAX_TYPES + 1))),
                format!("has {} types", MAX_TYPES + 1),
            ),
            (module(&repeat("(table 1 funcref)", 17)), "17 tables".to_owned()),
            (module(&repeat("(memory 1)", 5)), "5 memories".to_owned()),
            (
                module(&format!("(memory 1) {}", repeat("(data \"x\")", MAX_SEGMENTS + 1))),
                "data segments".to_owned(),
            ),
            (module(&repeat("(global i32 (i32.const 1))", MAX_GLOBALS + 1)), "globals".to_owned()),
            (deep(MAX_DEPTH), "fine".to_owned()),
            (deep(MAX_DEPTH + 1), "components and modules within each other".to_owned()),
            (format!("(component {})", repeat("(core module)", 33)), "33 core modules".to_owned()),
        ];
        for (text, expected) in cases {
            let told = told(&text);
            assert!(told.contains(&expected), "{expected}: {told}");
        }
    }

    #[test]
    fn no_damaged_component_panics() {
        let whole = wat::parse_str(module("(func (local i32) block end) (data \"x\")")).unwrap();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let _ = check(&damaged);
            }
            let _ = check(&whole[..at]);
        }
    }
}
