//! The files of a new plugin in Python.

use std::path::{Path, PathBuf};

use dataserver_loader::python_package;

use super::files::{Kind, aligned, quoted};

macro_rules! template {
    ($name:literal) => {
        include_str!(concat!("../../../templates/plugin/", $name, ".txt"))
    };
}

/// What the folder holds.
pub struct PythonFiles<'a> {
    /// Id of the plugin.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Folder of the shipped plugins.
    pub shipped: &'a Path,
}

impl PythonFiles<'_> {
    /// Paths within the folder and what stands there.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (code, pipeline) = match self.kind {
            Kind::Source => (template!("source.py"), template!("source.toml")),
            Kind::Transform => (template!("transform.py"), template!("transform.toml")),
            Kind::Sink => (template!("sink.py"), template!("sink.toml")),
        };
        let mut texts = vec![
            (self.file(), code),
            ("pipeline.toml".to_owned(), pipeline),
            ("README.md".to_owned(), template!("python-README.md")),
            (".gitignore".to_owned(), "/data\n.venv\n__pycache__\n"),
        ];
        if self.kind != Kind::Source {
            texts.push(("quotes.csv".to_owned(), template!("quotes.csv")));
        }
        texts.into_iter().map(|(path, text)| (path.into(), self.fill(text).into())).collect()
    }

    /// What to type next, in the folder.
    pub fn commands(&self) -> Vec<String> {
        // an interpreter that has the package installed needs not be told where it is
        let package = python_package();
        let package = package.map_or(String::new(), |it| format!("PYTHONPATH={} ", it.display()));
        let test = format!("{package}python3 -m dataserver.plugin test {}", self.file());
        let show = format!("dataserver plugins show {}", self.name);
        aligned(&[
            (&test, "its contract test"),
            (&show, "its options"),
            ("dataserver run", "runs pipeline.toml"),
        ])
    }

    fn file(&self) -> String {
        format!("plugins/{}.py", self.name)
    }

    fn fill(&self, template: &str) -> String {
        let values = [
            ("@NAME@", self.name.to_owned()),
            ("@KIND@", self.kind.role().to_string()),
            ("@DOES@", self.kind.does().to_owned()),
            ("@FILE@", self.file()),
            ("@COMMANDS@", self.commands().join("\n")),
            // Python needs no build before the pipeline runs
            (", after `cargo build --release`", String::new()),
            ("@BUILT@", quoted(Path::new("plugins"))),
            ("@PLUGINS@", quoted(self.shipped)),
        ];
        values.iter().fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }
}
