//! The menu of `trasvase` alone, driven in a terminal by tmux.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::clinic::Mini;

/// A terminal of some size with the program in it, and after that its exit code and how the terminal was left.
struct Screen {
    folder: tempfile::TempDir,
    /// How often something was run: what each printed stays on the usual screen.
    runs: Cell<usize>,
}

impl Screen {
    fn open(mini: &Mini, arguments: &[&str], size: [&str; 2], term: Option<&str>) -> Self {
        let screen = Self { folder: tempfile::tempdir().unwrap(), runs: Cell::new(0) };
        let script = "\"$@\"; echo \"[exit $?]\"; stty -a | grep -o ' icanon'; exec sleep 1000";
        let mut command =
            screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", size[0], "-y", size[1]]);
        command.args(["-c"]).arg(mini.path());
        if let Some(term) = term {
            command.args(["-e", &format!("WANTED={term}")]);
        }
        // What ends the program must not end the shell that tells how it ended.
        let script = format!("trap : TERM; [ -z \"$WANTED\" ] || export TERM=$WANTED; {script}");
        command.args(["sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_trasvase")]).args(arguments);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", screen.folder.path());
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        for name in ["DATABASE_URL", "REHEARSAL_URL", "PRODUCTION_URL"] {
            command.env(name, &mini.database.url);
        }
        let output = command.output().expect("tmux, which .ci/needs terminal installs");
        assert!(output.status.success(), "{output:?}");
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(self.socket()).args(arguments);
        command
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn asked(&self, arguments: &[&str]) -> Output {
        let output = self.tmux(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output
    }

    /// Keys as tmux names them.
    fn press(&self, keys: &[&str]) {
        self.asked(&[&["send-keys"], keys].concat());
    }

    fn text(&self) -> String {
        String::from_utf8(self.asked(&["capture-pane", "-p", "-J"]).stdout).unwrap()
    }

    /// What the screen shows once it has all of these.
    #[track_caller]
    fn until(&self, parts: &[&str]) -> String {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let text = self.text();
            if parts.iter().all(|part| text.contains(part)) {
                return text;
            }
            assert!(Instant::now() < end, "{parts:?} did not come:\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs what the keys ask for, to its end, and comes back to the menu.
    #[track_caller]
    fn run(&self, keys: &[&str], back: &str) -> String {
        self.press(keys);
        self.runs.set(self.runs.get() + 1);
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let text = self.asked(&["capture-pane", "-p", "-J", "-S", "-"]).stdout;
            let text = String::from_utf8(text).unwrap();
            if text.matches(back).count() == self.runs.get() {
                self.press(&["x"]);
                return text.split(back).nth(self.runs.get() - 1).unwrap().to_owned();
            }
            assert!(Instant::now() < end, "{keys:?} came to no end:\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).output();
    }
}

const BACK: &str = "Any key: back to the menu";

/// Beside `mini` a clinic without sources.
fn two() -> Mini {
    let mini = Mini::new();
    let text = std::fs::read_to_string(mini.path().join("clinics/mini/clinic.toml")).unwrap();
    let (head, _) = text.split_once("[sources.people]").unwrap();
    let text = head.replace("\"mini\"", "\"empty\"").replace("ABCDEFGHJK", "ABCDEFGHJM") + "[sources]\n";
    mini.write("clinics/empty/clinic.toml", &text);
    mini.write("clinics/mini/look.sql", "select 1");
    let own = "[[commands]]\nname = \"look\"\nafter = \"load\"\nsql = \"look.sql\"\n\n[load]";
    mini.edit("clinics/mini/clinic.toml", "[load]", own);
    mini
}

/// The lines without what changes from one run to the next.
fn lines(text: &str) -> Vec<String> {
    let words = |line: &str| {
        let word = |word: &&str| !word.starts_with("20") && !word.contains(':') || *word == "target:";
        line.split_whitespace().filter(word).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(words).filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_clinic_is_chosen_and_taken_through_its_stages() {
    let mini = two();
    let screen = Screen::open(&mini, &[], ["80", "24"], None);
    let text = screen.until(&["trasvase", "names no sources", "pending: load", "q quit"]);
    assert!(lines(&text)[1].starts_with("> empty"), "{text}");
    screen.press(&["Down", "Enter"]);
    let text = screen.until(&["mini · target: DATABASE_URL", "> [ ] load"]);
    let shown = lines(&text);
    let steps = ["mini · target: DATABASE_URL", "> [ ] load pending", "[ ] + look pending after load"];
    assert_eq!(shown[..3], steps, "{text}");
    assert_eq!(shown[3..8].join("|").matches("pending").count(), 5, "{text}");

    // One stage, in full as the command line tells it.
    let told = screen.run(&["Enter"], BACK);
    assert!(told.contains("$ trasvase load mini") && told.contains("visits.csv"), "{told}");
    screen.until(&["> [ ] load", "done", "rows 7"]);
    assert_eq!(mini.states()[..2], ["done", "pending"]);

    // Several: the own step and two stages.
    screen.press(&["Down", "Space", "Down", "Space", "Down", "Space"]);
    screen.until(&["[x] + look", "[x] transform", "[x] check"]);
    let told = screen.run(&["Enter"], BACK);
    assert!(told.contains("# mini: look, transform, check"), "{told}");
    screen.until(&["[ ] check", "q quit"]);
    assert_eq!(mini.states(), ["done", "done", "done", "pending", "pending", "pending"]);

    // All.
    let told = screen.run(&["a"], BACK);
    assert!(told.contains("own step, after load") && told.contains("verify"), "{told}");
    let text = screen.until(&["> [ ] check", "DATABASE_URL: inserted 6"]);
    assert_eq!(text.matches(" done ").count(), 7, "{text}");
    screen.press(&["Escape"]);
    screen.until(&["mini", "all done"]);
    screen.press(&["q"]);
    let text = screen.until(&["[exit 0]", "icanon"]);
    assert!(!text.contains("all done"), "the screen is given back: {text}");
}

#[test]
fn a_failure_is_told_and_production_asks_for_the_name() {
    let mini = Mini::new();
    let back = "Cualquier tecla: volver al menú";
    let screen = Screen::open(&mini, &["--lang", "es"], ["80", "24"], None);
    // One clinic alone is looked into at once.
    let text = screen.until(&["mini · destino: DATABASE_URL", "> [ ] load", "pendiente", "esc volver"]);
    assert!(text.contains("espacio marcar") && !text.contains("PRODUCCIÓN"), "{text}");
    screen.press(&["Space", "Down", "Space", "Down", "Space", "Down", "Space"]);
    screen.until(&["[x] export"]);
    screen.run(&["Enter"], back);
    screen.until(&["> [ ] export", "hecha"]);
    screen.press(&["t"]);
    screen.until(&["mini · destino: production", "PRODUCCIÓN"]);
    let told = screen.run(&["Down", "Enter"], back);
    assert!(told.contains("trasvase rehearse mini"), "{told}");
    screen.press(&["t"]);
    screen.until(&["mini · destino: rehearsal", "> [ ] push"]);
    screen.press(&["Space", "Down", "Space"]);
    screen.until(&["[x] push", "[x] verify"]);
    screen.run(&["Enter"], back);
    screen.until(&["rehearsal: insertadas 6"]);
    mini.execute("delete from visit; delete from person; drop schema trasvase cascade");
    screen.press(&["t", "t", "t", "Up"]);
    screen.until(&["mini · destino: production", "> [ ] push"]);
    screen.press(&["Enter"]);
    screen.until(&["(escribe esto para seguir: mini)"]);
    let told = screen.run(&["other", "Enter"], back);
    assert!(told.contains("detenido: sin confirmar"), "{told}");
    mini.execute("do $$ begin assert (select count(*) = 0 from person); end $$");
    screen.until(&["> [ ] push"]);
    screen.press(&["Enter"]);
    screen.until(&["(escribe esto para seguir: mini)"]);
    screen.run(&["mini", "Enter"], back);
    screen.until(&["production: insertadas 6"]);
    mini.execute("do $$ begin assert (select count(*) = 3 from person); end $$");
    // The other language, then a way out that is always there.
    screen.press(&["l"]);
    screen.until(&["production: inserted 6", "q quit"]);
    screen.press(&["C-c"]);
    screen.until(&["[exit 0]", "icanon"]);
}

#[test]
fn a_small_terminal_a_kill_and_a_dumb_terminal_leave_nothing_behind() {
    let mini = two();
    let screen = Screen::open(&mini, &[], ["30", "6"], None);
    screen.until(&["mini"]);
    screen.press(&["Down", "Enter"]);
    screen.until(&["> [ ] load"]);
    screen.press(&["End"]);
    screen.until(&["> [ ] verify"]);
    screen.asked(&["resize-window", "-x", "12", "-y", "2"]);
    screen.press(&["Up", "Up"]);
    screen.asked(&["resize-window", "-x", "80", "-y", "24"]);
    screen.until(&["> [ ] export"]);
    let own = screen.asked(&["list-panes", "-F", "#{pane_pid}"]).stdout;
    let group: i32 = String::from_utf8(own).unwrap().trim().parse().unwrap();
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGTERM).unwrap();
    screen.until(&["[exit 130]", "icanon"]);

    let dumb = Screen::open(&mini, &[], ["80", "24"], Some("dumb"));
    dumb.until(&["Type next:", "trasvase run mini", "[exit 0]"]);
}
