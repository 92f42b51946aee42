//! The herds as one picture: each caller a line from its arrival to its answer.

use std::{error::Error, path::Path};

use crate::herd::{Line, Role, Run};
use plotters::prelude::*;

const WITHOUT: RGBColor = RGBColor(0x99, 0x99, 0x99);
const LEADER: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const FOLLOWER: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const ELSEWHERE: RGBColor = RGBColor(0x00, 0x9e, 0x73);
const ALONE: RGBColor = RGBColor(0xcc, 0x79, 0xa7);

pub(crate) fn draw<'a>(path: &'a Path, runs: &[(&str, Run)]) -> Result<(), Box<dyn Error + 'a>> {
    let root = SVGBackend::new(path, (600 * runs.len() as u32, 560)).into_drawing_area();
    root.fill(&WHITE)?;
    let lines = runs.iter().flat_map(|(_, run)| &run.lines);
    let end = lines.map(|line| line.answered.as_secs_f64() * 1e3).fold(1.0, f64::max);
    for ((title, run), area) in runs.iter().zip(root.split_evenly((1, runs.len()))) {
        panel(&area, title, run, end)?;
    }
    root.present()?;
    Ok(())
}

fn panel<'a>(
    area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
    title: &str,
    run: &Run,
    end: f64,
) -> Result<(), Box<dyn Error + 'a>> {
    let title = format!("{title}: {} queries", run.queries);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..end, 0..run.lines.len())?;
    chart.configure_mesh().x_desc("milliseconds").y_desc("callers, as they arrive").light_line_style(WHITE).draw()?;
    for (label, color) in [
        ("without", WITHOUT),
        ("follower", FOLLOWER),
        ("of another process", ELSEWHERE),
        ("alone", ALONE),
        ("leader", LEADER),
    ] {
        let callers = run.lines.iter().enumerate().filter(|(_, line)| color_of(line) == color);
        let series = callers.map(|(at, line)| {
            let span = [(line.arrived.as_secs_f64() * 1e3, at), (line.answered.as_secs_f64() * 1e3, at)];
            PathElement::new(span, color)
        });
        let drawn: Vec<_> = series.collect();
        if !drawn.is_empty() {
            chart
                .draw_series(drawn)?
                .label(label)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3)));
        }
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    Ok(())
}

fn color_of(line: &Line) -> RGBColor {
    match line.role {
        None => WITHOUT,
        Some(Role::Leader) => LEADER,
        Some(Role::Follower) => FOLLOWER,
        Some(Role::Elsewhere) => ELSEWHERE,
        Some(Role::Alone) => ALONE,
    }
}
