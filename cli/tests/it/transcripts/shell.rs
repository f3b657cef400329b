//! Transcripts of the shell at a terminal.

use expect_test::{Expect, expect};

use super::{landed, normalised};
use crate::program::Program;
use crate::terminal::{CTRL_C, CTRL_D, ENTER, TAB, Terminal, UP};

const PROMPT: &str = "downlake> ";

/// Longer than any patience, and made of rows that never come to an end.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000000) a(x) \
     CROSS JOIN generate_series(1, 100000000) b(y) WHERE x * y % 7 = 8;";

fn shell(program: &Program) -> Terminal {
    shell_of(program, (100, 40))
}

fn shell_of(program: &Program, size: (u16, u16)) -> Terminal {
    let terminal = Terminal::start(program, "xterm-256color", size, &["sql"]);
    terminal.wait(PROMPT);
    terminal
}

fn prompted(terminal: &Terminal) {
    terminal.prompted(PROMPT);
}

/// Types lines, each at a prompt of its own.
fn type_all(terminal: &mut Terminal, lines: &[&str]) {
    for line in lines {
        terminal.line(line);
        prompted(terminal);
    }
}

/// The screen, place by place.
fn check_exactly(terminal: &Terminal, expected: &Expect) {
    expected.assert_eq(&terminal.screen());
}

/// The screen without what differs from run to run.
fn check(program: &Program, terminal: &Terminal, expected: &Expect) {
    expected.assert_eq(&normalised(&terminal.screen(), program.folder()));
}

#[test]
fn statements_and_commands() {
    let program = landed();
    let mut terminal = shell(&program);
    // The first line is not a statement yet; the editor asks for more.
    terminal.line("SELECT seq, pressure, note");
    terminal.line("FROM engine ORDER BY seq;");
    prompted(&terminal);
    type_all(
        &mut terminal,
        &[
            "\\timing",
            "SELECT 1 AS a; SELECT 'x' AS b;",
            "\\x on",
            "SELECT 1 AS a, 2 AS b;",
            "\\frobnicate",
        ],
    );
    check(
        &program,
        &terminal,
        &expect![[r#"
            downlake 0.1.0  ./lake  \? for help, \q to leave
            downlake> SELECT seq, pressure, note
            FROM engine ORDER BY seq;
             seq | pressure | note
            ---+---+---
              1 |  2.25 | NULL
              2 |  1.5 | hot
              3 |  NULL |
              4 |  4.5 | a,b
            4 rows
            downlake> \timing
            timing on
            downlake> SELECT 1 AS a; SELECT 'x' AS b;
             a
            ---
             1
            1 row
            elapsed <n> ms
             b
            ---
             x
            1 row
            elapsed <n> ms
            downlake> \x on
            blocks on
            downlake> SELECT 1 AS a, 2 AS b;
            -
             a | 1
             b | 2
            1 row
            elapsed <n> ms
            downlake> \frobnicate
            error: no command \frobnicate; \? lists those there are
            downlake>
        "#]],
    );
    terminal.send(CTRL_D);
    assert_eq!(terminal.end(), 0);
}

#[test]
fn errors_point_at_the_place() {
    let program = landed();
    let mut terminal = shell(&program);
    type_all(
        &mut terminal,
        &[
            "SELECT presure FROM engine;",
            "SELECT * FROM engin;",
            "SELECT coutn(*) FROM engine;",
            "SELEC 1;",
            "SELECT 1 +;",
        ],
    );
    terminal.line("SELECT seq");
    terminal.line("  FROM engine ORDER seq;");
    prompted(&terminal);
    check_exactly(
        &terminal,
        &expect![[r#"
            downlake 0.1.0  ./lake  \? for help, \q to leave
            downlake> SELECT presure FROM engine;
            error: no column "presure" (near: pressure)
              SELECT presure FROM engine;
                     ^^^^^^^
            downlake> SELECT * FROM engin;
            error: no table "engin" (near: engine)
              SELECT * FROM engin;
                            ^^^^^
            downlake> SELECT coutn(*) FROM engine;
            error: no function "coutn" (near: count, cot)
              SELECT coutn(*) FROM engine;
                     ^^^^^
            downlake> SELEC 1;
            error: expected: an SQL statement, found: SELEC (near: SELECT)
              SELEC 1;
              ^^^^^
            downlake> SELECT 1 +;
            error: expected: an expression, found: EOF
              SELECT 1 +;
                        ^
            downlake> SELECT seq
              FROM engine ORDER seq;
            error: sql: expected the end of the statement, found ORDER
              line 2:   FROM engine ORDER seq;
                                    ^^^^^
            downlake>
        "#]],
    );
}

#[test]
fn tables_are_described() {
    let program = landed();
    let mut terminal = shell(&program);
    type_all(
        &mut terminal,
        &[
            "\\d",
            "CREATE VIEW hot AS SELECT seq, pressure FROM engine WHERE note = 'hot';",
            "\\d hot",
            "\\d engine",
            "\\d nowhere",
        ],
    );
    check(
        &program,
        &terminal,
        &expect![[r#"
            downlake 0.1.0  ./lake  \? for help, \q to leave
            downlake> \d
            table  version  rows  files  bytes  min_time  max_time
            engine  2  4  3  <n> B  2021-03-01T00:00:01.000000Z  2021-03-02T00:00:04.000000Z
            downlake> CREATE VIEW hot AS SELECT seq, pressure FROM engine WHERE note = 'hot';
            done
            downlake> \d hot
            column  type  unit
            seq  Int64
            pressure  Float64
            downlake> \d engine
            engine  version 2  4 rows  3 files  <n> B
            time  2021-03-01T00:00:01.000000Z to 2021-03-02T00:00:04.000000Z
            partition  date
            sorted by  time

            column  type  unit  description
            time  Timestamp(µs, "UTC")
            date  Date32
            seq  Int64
            pressure  Float64
            note  Utf8
            _received_at  Timestamp(µs, "UTC")
            _ingested_at  Timestamp(µs, "UTC")
            _ingest_id  Int64
            downlake> \d nowhere
            error: there is no table "nowhere" in file://<dir>/lake/; there are engine
            downlake>
        "#]],
    );
}

#[test]
fn words_are_completed_and_lines_remembered() {
    let program = landed();
    let mut terminal = shell(&program);
    terminal.send(&format!("SELECT pres{TAB}"));
    terminal.wait("SELECT pressure");
    terminal.send(&format!(" FROM en{TAB}"));
    terminal.wait("SELECT pressure FROM engine");
    terminal.send(&format!(" WHERE se{TAB}"));
    terminal.wait_until("candidates", |screen| {
        screen.contains("seq") && screen.contains("SELECT ") && screen.contains("select")
    });
    terminal.send(CTRL_C);
    prompted(&terminal);
    type_all(&mut terminal, &["SELECT 41 + 1 AS answer;"]);
    terminal.send(&format!("SELECT * FROM 'raw/b{TAB}"));
    terminal.wait("FROM 'raw/b.csv");
    terminal.send(CTRL_C);
    prompted(&terminal);
    terminal.send(CTRL_D);
    assert_eq!(terminal.end(), 0);

    // Another shell knows what was typed into the first.
    let mut terminal = shell(&program);
    terminal.send(UP);
    terminal.wait("SELECT 41 + 1 AS answer;");
    terminal.send(ENTER);
    terminal.wait("42");
    let history = program.folder().join(".local/state/downlake/sql_history");
    let text = std::fs::read_to_string(&history).unwrap();
    assert!(text.contains("SELECT 41 + 1 AS answer;"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&history.metadata().unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "others can read it: {mode:o}");
}

#[test]
fn words_of_the_language_have_a_colour() {
    let bold = |terminal: &Terminal| {
        terminal.look(|screen| {
            let (row, _) = screen.cursor_position();
            let cell = screen
                .cell(row, u16::try_from(PROMPT.len()).unwrap())
                .unwrap();
            (cell.contents().to_owned(), cell.bold())
        })
    };
    let program = Program::new();
    let mut terminal = shell(&program);
    terminal.send("SELECT x");
    terminal.wait("SELECT x");
    assert_eq!(bold(&terminal), ("S".to_owned(), true));
    let program = Program::new().with_variable("NO_COLOR", "1");
    let mut terminal = shell(&program);
    terminal.send("SELECT x");
    terminal.wait("SELECT x");
    assert_eq!(bold(&terminal), ("S".to_owned(), false));
}

/// Ctrl-C ends the query, and the shell answers the next one.
#[test]
fn a_query_is_cancelled_and_the_shell_goes_on() {
    let program = Program::new();
    let mut terminal = shell(&program);
    terminal.line(ENDLESS);
    terminal.press_until(CTRL_C, "cancelled");
    terminal.line("SELECT 6 * 7 AS answer;");
    terminal.wait(" 42");
    terminal.line("\\watch 0.1");
    terminal.wait_until("two answers", |screen| screen.matches(" 42").count() >= 3);
    terminal.send(CTRL_C);
    prompted(&terminal);
}

#[test]
fn long_results_go_through_the_pager() {
    let program = Program::new().with_variable("PAGER", "sed -e 's/^/paged:/' | tail -n 3");
    let mut terminal = shell_of(&program, (80, 24));
    terminal.line("SELECT * FROM generate_series(1, 100);");
    terminal.wait("paged:   100");
    prompted(&terminal);
    terminal.line("SELECT 7 AS short;");
    terminal.wait("1 row\n");
    let screen = terminal.screen();
    assert!(
        !screen.contains("paged: 7") && !screen.contains("paged: short"),
        "{screen}"
    );
    // A pager that is left at once ends the query without a word.
    let program = Program::new().with_variable("PAGER", "head -n 1");
    let mut terminal = shell_of(&program, (80, 24));
    terminal.line("SELECT * FROM generate_series(1, 100000000);");
    terminal.wait("value");
    prompted(&terminal);
    assert!(
        !terminal.screen().contains("error"),
        "{}",
        terminal.screen()
    );
}

#[test]
fn wide_results_are_folded_to_the_screen() {
    let program = Program::new();
    let mut terminal = shell_of(&program, (60, 30));
    terminal.line("SELECT 1 AS id, repeat('wide ', 20) AS words, 2 AS last;");
    prompted(&terminal);
    check_exactly(
        &terminal,
        &expect![[r#"
            downlake 0.1.0  no lake yet  \? for help, \q to leave
            downlake> SELECT 1 AS id, repeat('wide ', 20) AS words, 2 AS last;
             id | words                                          | last
            ----+------------------------------------------------+------
              1 | wide wide wide wide wide wide wide wide wide w |    2
                | ide wide wide wide wide wide wide wide wide wi |
                | de wide                                        |
            1 row
            downlake>
        "#]],
    );
}

#[test]
fn results_go_to_files_and_pictures() {
    let program = Program::new();
    let mut terminal = shell_of(&program, (72, 40));
    type_all(
        &mut terminal,
        &[
            "\\o numbers.csv",
            "SELECT value AS x, value * value AS y FROM generate_series(0, 20);",
            "\\o",
            "\\plot line y.svg",
            "\\plot",
        ],
    );
    check_exactly(
        &terminal,
        &expect![[r#"
            y
                 │
             400 ┤                                                               ⡄
                 │                                                              ⡜
                 │                                                             ⡜
                 │                                                            ⡜
                 │                                                          ⢀⠜
                 │                                                         ⢀⠎
                 │                                                        ⡠⠃
                 │                                                       ⡰⠁
             300 ┤                                                      ⡰⠁
                 │                                                     ⡔⠁
                 │                                                    ⡜
                 │                                                   ⡜
                 │                                                 ⢀⠎
                 │                                                ⢠⠊
                 │                                               ⡠⠃
                 │                                             ⢀⠜
             200 ┤                                            ⡠⠃
                 │                                          ⢀⠜
                 │                                         ⡠⠃
                 │                                       ⢀⠜
                 │                                      ⡠⠃
                 │                                    ⢠⠊
                 │                                  ⢀⠔⠁
                 │                                 ⡰⠁
             100 ┤                               ⡠⠊
                 │                            ⢀⠔⠉
                 │                          ⡠⠒⠁
                 │                       ⢀⠤⠊
                 │                     ⡠⠔⠁
                 │                 ⢀⡠⠔⠉
                 │             ⢀⡠⠔⠊⠁
                 │     ⢀⣀⣀⡠⠤⠤⠒⠊⠁
               0 ┤⠐⠒⠉⠉⠉⠁
                 │
                 └┬───────────────┬───────────────┬──────────────┬───────────────┬
                  0               5              10             15              20
                                                 x
            downlake>
        "#]],
    );
    let csv = std::fs::read_to_string(program.folder().join("numbers.csv")).unwrap();
    assert!(csv.starts_with("x,y\n0,0\n1,1\n2,4\n"), "{csv}");
    let svg = std::fs::read_to_string(program.folder().join("y.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains(">\ny\n"), "{svg}");
}

/// A terminal that knows no escape codes gets none.
#[test]
fn a_dumb_terminal_is_enough() {
    let program = landed();
    let mut terminal = Terminal::start(&program, "dumb", (80, 40), &["sql"]);
    terminal.wait(PROMPT);
    terminal.line("SELECT seq");
    terminal.wait("... ");
    terminal.line("FROM engine ORDER BY seq LIMIT 2;");
    prompted(&terminal);
    terminal.line("SELECT presure FROM engine;");
    prompted(&terminal);
    terminal.send("SELECT 'given up");
    terminal.wait("given up");
    terminal.send(CTRL_C);
    prompted(&terminal);
    check(
        &program,
        &terminal,
        &expect![[r#"
            downlake 0.1.0  ./lake  \? for help, \q to leave
            downlake> SELECT seq
              ... FROM engine ORDER BY seq LIMIT 2;
             seq
            ---
              1
              2
            2 rows
            downlake> SELECT presure FROM engine;
            error: no column "presure" (near: pressure)
              SELECT presure FROM engine;
              ^^^^^^^
            downlake> SELECT 'given up^C
            downlake>
        "#]],
    );
    terminal.line(ENDLESS);
    terminal.press_until(CTRL_C, "cancelled");
    prompted(&terminal);
    terminal.line("\\q");
    assert_eq!(terminal.end(), 0);
    let raw = terminal.raw();
    assert!(!raw.contains(&0x1b), "{}", String::from_utf8_lossy(&raw));
}
