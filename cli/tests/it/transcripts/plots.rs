//! Transcripts of `sql --plot`.

use expect_test::expect;

use super::landed;
use crate::program::Program;

/// What is drawn, blank by blank.
fn drawn(program: &Program, args: &[&str], expected: &expect_test::Expect) {
    let said = program.good(args);
    assert_eq!(said.err, "");
    expected.assert_eq(&said.out);
}

/// A table with units: 2 s of a chamber at 50 Hz, a hole in the middle.
fn hotfire() -> Program {
    let program = Program::new();
    program.write(
        "hotfire.toml",
        "stream = \"hotfire\"\n\n[time]\naxis = \"absolute\"\ncode = \"iso\"\ncolumns = [\"time\"]\n\n\
         [[column]]\nname = \"time\"\ntype = \"timestamp\"\n\n\
         [[column]]\nname = \"chamber_pressure\"\ntype = \"f64\"\nunit = \"bar\"\n\n\
         [[column]]\nname = \"valve\"\ntype = \"bool\"\n",
    );
    let mut rows = "time,chamber_pressure,valve\n".to_owned();
    for i in 0..100 {
        let pressure = match i {
            40..60 => String::new(),
            77 => "19.5".to_owned(),
            _ => format!(
                "{:.3}",
                10.0 + (f64::from(i) / 100.0 * std::f64::consts::TAU).sin()
            ),
        };
        let (second, millis) = (i / 50, i % 50 * 20);
        rows.push_str(&format!(
            "2026-03-14T10:00:0{second}.{millis:03}Z,{pressure},{}\n",
            i > 50
        ));
    }
    program.write("hotfire.csv", rows);
    program.good(&["ingest", "hotfire.csv", "--schema", "hotfire.toml"]);
    program
}

#[test]
fn a_line_with_units_a_hole_and_its_extreme() {
    drawn(
        &hotfire(),
        &[
            "sql",
            "--plot",
            "SELECT time, chamber_pressure FROM hotfire",
        ],
        &expect![[r#"
            chamber_pressure (bar)
             20 ┤
                │                                                                       ⢰
                │                                                                       ⢸
                │                                                                       ⢸
             18 ┤                                                                       ⢸
                │                                                                       ⢸
                │                                                                       ⢸
                │                                                                       ⡎⡆
                │                                                                       ⡇⡇
             16 ┤                                                                       ⡇⡇
                │                                                                       ⡇⡇
                │                                                                       ⡇⡇
                │                                                                       ⡇⡇
             14 ┤                                                                       ⡇⡇
                │                                                                       ⡇⡇
                │                                                                       ⡇⡇
                │                                                                       ⡇⡇
                │                                                                       ⡇⡇
             12 ┤                                                                      ⢀⠇⢇
                │                                                                      ⢸ ⢸
                │           ⢀⣀⣀⠤⠤⠤⠒⠒⠒⠒⠒⠒⠊⠑⠒⠒⠒⠒⠒⠢⠤⠤⢄⣀⣀                                  ⢸ ⢸
                │    ⣀⣀⠤⠤⠒⠊⠉⠁                        ⠉                                 ⢸ ⢸
             10 ┤ ⠒⠊⠉                                                                  ⢸ ⢸                ⢀⣀⠤
                │                                                        ⣀⡀            ⢸ ⢸         ⣀⣀⠤⠔⠒⠊⠉⠁
                │                                                         ⠈⠉⠉⠒⠒⠒⠢⠤⠤⠤⠤⠤⠤⠼ ⠸⠤⠤⠔⠒⠒⠒⠊⠉⠉
                │
                └─┬──────────────────────┬─────────────────────┬──────────────────────┬───────────────────────
            10:00:00.000           10:00:00.500          10:00:01.000           10:00:01.500
                                                    time (UTC), 2026-03-14
        "#]],
    );
}

#[test]
fn each_unit_has_its_panel() {
    drawn(
        &hotfire(),
        &[
            "sql",
            "--plot=scatter",
            "SELECT time, chamber_pressure AS p, valve FROM hotfire",
        ],
        &expect![[r#"
            p (bar)
              20 ┤                                                                      ⠠
                 │
              18 ┤
                 │
              16 ┤
                 │
              14 ┤
                 │
              12 ┤
                 │
                 │   ⢀⢀⢀⢀⠄⠄⠄⠄⠂⠒⠐⠐⠐⠈⠁⠁⠁⠁⠉⠈⠈⠈⠈⠈⠁⠁⠁⠁⠑⠐⠐⠐⠐⠂
              10 ┤ ⠁⠉                                                    ⢀⡀⡀⡀                    ⢀⢀⢀⢀⢀⠠⠄⠄⠄⠂⠒⠐
                 │                                                           ⠁⠉⠈⠈⠈⠈⠂⠂⠂⠂⠂⠂⠐⠐⠈⠈⠁⠁⠁⠁⠁
                 └────────────────────────────────────────────────────────────────────────────────────────────
            valve
             1.0 ┤                                               ⠄⠄⠄⠤⠠⠠⠠⠠⠠⠄⠄⠄⠄⠤⠠⠠⠠⠠⠄⠄⠄⠄⠄⠤⠠⠠⠠⠠⠄⠄⠄⠄⠤⠠⠠⠠⠠⠠⠄⠄⠄⠄⠤⠠
                 │
                 │
                 │
                 │
             0.5 ┤
                 │
                 │
                 │
                 │
             0.0 ┤ ⠂⠒⠐⠐⠐⠐⠂⠂⠂⠂⠂⠒⠐⠐⠐⠐⠂⠂⠂⠂⠒⠐⠐⠐⠐⠐⠂⠂⠂⠂⠒⠐⠐⠐⠐⠂⠂⠂⠂⠂⠒⠐⠐⠐⠐⠂
                 └─┬─────────────────────┬──────────────────────┬──────────────────────┬──────────────────────
             10:00:00.000          10:00:00.500           10:00:01.000           10:00:01.500
                                                    time (UTC), 2026-03-14
        "#]],
    );
}

#[test]
fn how_often_values_occur() {
    drawn(
        &hotfire(),
        &[
            "sql",
            "--plot",
            "histogram",
            "SELECT chamber_pressure FROM hotfire WHERE chamber_pressure < 15",
        ],
        &expect![[r#"
            rows
                │
             20 ┤⢰⣶⣶⣶⣶⣶⣶⣶                                                                    ⣶⣶⣶⣶⣶⣶⣶⡆
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
             15 ┤⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
             10 ┤⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿                                                                    ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇                                                   ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇                                                   ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇                                                   ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇
              5 ┤⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢠⣤⣤⣤⣤⣤⣤⡄                                           ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⡇                 ⢀⣀⣀⣀⣀⣀⣀⣀         ⢀⣀⣀⣀⣀⣀⣀⣀ ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⡇                 ⢸⣿⣿⣿⣿⣿⣿⣿         ⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇
                │⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢠⣤⣤⣤⣤⣤⣤⣤
              0 ┤⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿ ⣿⣿⣿⣿⣿⣿⣿⡇⢸⣿⣿⣿⣿⣿⣿⣿
                └┬────────────────────┬────────────────────┬────────────────────┬────────────────────┬────────
                9.0                  9.5                 10.0                 10.5                 11.0
                                                    chamber_pressure (bar)
        "#]],
    );
}

#[test]
fn a_tone_is_a_peak() {
    let tone = "SELECT value / 100.0 AS t, sin(2 * pi() * 12.5 * value / 100.0) AS y FROM generate_series(0, 4095) ORDER BY value";
    drawn(
        &Program::new(),
        &["sql", "--plot", "spectrum", tone],
        &expect![[r#"
        y: peak at 12.5 1/t
        power density (t)
               │
           1e0 ┤                      ⡸⡄
               │                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
          1e-3 ┤                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
          1e-6 ┤                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
          1e-9 ┤                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
         1e-12 ┤                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
               │                      ⡇⡇
         1e-15 ┤                      ⡇⡇
               │ ⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⡇⣇⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
               │
               └┬─────────────────┬─────────────────┬────────────────┬─────────────────┬────────────────┬─
                0                10                20               30                40               50
                                                     frequency (1/t)
    "#]],
    );
}

#[test]
fn several_series_without_colours() {
    let two = "SELECT value AS x, value AS up, 10 - value AS down FROM generate_series(0, 10)";
    drawn(
        &Program::new(),
        &["sql", "--plot", two],
        &expect![[r#"
        *** up   +++ down
            │
         10 ┤ +++                                                                                     ***
            │   +++++                                                                             ****
            │       +++++                                                                     ****
            │           +++++                                                             ****
          8 ┤               +++++                                                     ****
            │                   +++++                                             *****
            │                       ++++                                       ****
            │                           ++++                               ****
            │                              +++++                       ****
          6 ┤                                  +++++               ****
            │                                       ++++       ****
            │                                           ++++***
            │                                          *****++++
            │                                      *****        ++++
          4 ┤                                  *****               ++++
            │                              *****                       ++++
            │                           ****                               ++++
            │                       ****                                       ++++
            │                   *****                                             +++++
          2 ┤               *****                                                     ++++
            │           *****                                                             ++++
            │       *****                                                                     ++++
            │   *****                                                                             ++++
          0 ┤ ***                                                                                     +++
            │
            └─┬─────────────────┬─────────────────┬─────────────────┬─────────────────┬─────────────────┬─
              0                 2                 4                 6                 8                10
                                                           x
    "#]],
    );
}

/// A unit stays with a column that is passed on as it is.
#[test]
fn units_outlive_a_query() {
    let program = hotfire();
    let copy = "CREATE TABLE copy AS SELECT time, chamber_pressure AS p, chamber_pressure * 2 AS double FROM hotfire";
    program.good(&["sql", copy]);
    let shown = program.good(&["table", "show", "copy"]).out;
    let line = |name: &str| {
        shown
            .lines()
            .find(|l| l.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(line("p ").ends_with("bar"), "{shown}");
    assert!(!line("double ").ends_with("bar"), "{shown}");
}

#[test]
fn pictures_are_files() {
    let program = hotfire();
    let query = "SELECT time, chamber_pressure FROM hotfire";
    let said = program.good(&["sql", "--plot", "line", "-o", "p.svg", query]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    let svg = std::fs::read_to_string(program.folder().join("p.svg")).unwrap();
    for text in [
        "chamber_pressure (bar)",
        "time (UTC), 2026-03-14",
        "<polyline",
    ] {
        assert!(svg.contains(text), "no {text:?} in {svg}");
    }
    program.good(&["sql", "--plot", "-o", "p.png", query]);
    let png = std::fs::read(program.folder().join("p.png")).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let program = landed();
    let cases: [&[&str]; 6] = [
        &["sql", "--plot", "SELECT time, note FROM engine"],
        &[
            "sql",
            "--plot",
            "SELECT time, pressure FROM engine WHERE seq > 99",
        ],
        &[
            "sql",
            "--plot",
            "spectrum",
            "SELECT time, seq FROM engine ORDER BY time",
        ],
        &["sql", "--plot", "-o", "p.jpg", "SELECT seq FROM engine"],
        &["sql", "--plot", "-o", "p.svg", "SELECT 1; SELECT 2"],
        &["sql", "--plot", "pie", "SELECT seq FROM engine"],
    ];
    let mut said = String::new();
    for args in cases {
        let run = program.run(args);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{args:?}: {run:?}");
        said.push_str(&run.err);
    }
    assert!(!program.folder().join("p.svg").exists());
    expect![[r#"
        downlake: plot: no column holds numbers; the columns are time (time), note (text)
        downlake: plot: there is nothing to draw: the rows hold no numbers, only NULL and NaN, or there are none
        downlake: spectrum: "seq" has 4 samples, 16 are the least
        downlake: plot: file p.jpg is no picture: its extension must be .svg or .png
        downlake: plot: a file holds one picture, and two statements return rows
        error: invalid value 'pie' for '--plot [<KIND>]': no plot "pie": one of line, scatter, histogram, spectrum

        For more information, try '--help'.
    "#]].assert_eq(&said);
}
