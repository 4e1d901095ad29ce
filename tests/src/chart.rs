//! Load, PV and price over the slots: as text for a terminal, and as SVG.

use std::fmt::Write;

/// What a slot came to.
#[derive(Clone, Copy, Debug)]
pub struct Column {
	/// What all homes consumed, Wh.
	pub load_wh: u64,
	/// What the roofs generated, Wh.
	pub pv_wh: u64,
	/// What changed hands, Wh.
	pub traded_wh: u64,
	/// The price, minor units per kWh, if energy changed hands.
	pub price: Option<u64>,
}

const HEIGHT: u64 = 8;
const LABEL: &str = "          ";

fn price_text(price: u64) -> String {
	format!("{}.{:03}", price / 1_000_000, price % 1_000_000 / 1_000)
}

/// A chart of `█` for load and `▒` for PV, a column of each for a slot, with traded energy and price
/// below.
pub fn text(columns: &[Column]) -> String {
	let top = columns.iter().flat_map(|slot| [slot.load_wh, slot.pv_wh]).max().unwrap_or(0).max(1);
	let mut chart = String::new();
	for row in (1..=HEIGHT).rev() {
		let label = if row == HEIGHT { format!("{top:>7} Wh ") } else { LABEL.into() };
		let mut line = label;
		for slot in columns {
			let filled = |wh: u64, sign: &'static str| {
				// A bar that is not empty shows.
				if (wh * HEIGHT).div_ceil(top) >= row {
					sign
				} else {
					"  "
				}
			};
			let _ = write!(line, "  {}{}  ", filled(slot.load_wh, "██"), filled(slot.pv_wh, "▒▒"));
		}
		chart.push_str(line.trim_end());
		chart.push('\n');
	}
	let mut under = |name: &str, value: &dyn Fn(&Column) -> String| {
		let _ = write!(chart, "{name:<10}");
		for slot in columns {
			let _ = write!(chart, "{:^8}", value(slot));
		}
		while chart.ends_with(' ') {
			chart.pop();
		}
		chart.push('\n');
	};
	under("██ load", &|slot| slot.load_wh.to_string());
	under("▒▒ PV", &|slot| slot.pv_wh.to_string());
	under("traded Wh", &|slot| slot.traded_wh.to_string());
	under("per kWh", &|slot| slot.price.map_or_else(|| "-".into(), price_text));
	chart
}

/// The same as a picture.
pub fn svg(columns: &[Column], title: &str) -> String {
	const COLUMN: u64 = 90;
	const LEFT: u64 = 60;
	const TOP: u64 = 50;
	const TALL: u64 = 220;
	let width = LEFT + COLUMN * columns.len() as u64 + 20;
	let bottom = TOP + TALL;
	let most = columns.iter().flat_map(|slot| [slot.load_wh, slot.pv_wh]).max().unwrap_or(0).max(1);
	let dearest = columns.iter().filter_map(|slot| slot.price).max().unwrap_or(0).max(1);
	let mut out = String::new();
	let _ = writeln!(
		out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" \
		 font-family=\"sans-serif\" font-size=\"12\">\n\
		 <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
		 <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{title}</text>\n\
		 <text x=\"{LEFT}\" y=\"38\" fill=\"#4a6fa5\">■ load</text>\
		 <text x=\"{}\" y=\"38\" fill=\"#e0a100\">■ PV</text>\
		 <text x=\"{}\" y=\"38\" fill=\"#b03030\">● price per kWh</text>\n\
		 <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{most} Wh</text>\n\
		 <line x1=\"{LEFT}\" y1=\"{bottom}\" x2=\"{}\" y2=\"{bottom}\" stroke=\"#666\"/>",
		bottom + 60,
		LEFT + 60,
		LEFT + 110,
		LEFT - 6,
		TOP + 6,
		width - 10,
	);
	let mut line = String::new();
	for (place, slot) in (0u64..).zip(columns) {
		let x = LEFT + place * COLUMN + 10;
		for (wh, offset, colour) in [(slot.load_wh, 0, "#4a6fa5"), (slot.pv_wh, 32, "#e0a100")] {
			let tall = wh * TALL / most;
			let _ = writeln!(
				out,
				"<rect x=\"{}\" y=\"{}\" width=\"30\" height=\"{tall}\" fill=\"{colour}\"/>",
				x + offset,
				bottom - tall,
			);
		}
		let middle = x + 31;
		let _ = writeln!(
			out,
			"<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{} Wh traded</text>",
			bottom + 18,
			slot.traded_wh
		);
		if let Some(price) = slot.price {
			let y = bottom - price * (TALL - 20) / dearest;
			let _ = write!(line, "{middle},{y} ");
			let _ = writeln!(
				out,
				"<circle cx=\"{middle}\" cy=\"{y}\" r=\"4\" fill=\"#b03030\"/>\
				 <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"#b03030\">{}</text>",
				bottom + 36,
				price_text(price)
			);
		}
	}
	let _ = writeln!(
		out,
		"<polyline points=\"{}\" fill=\"none\" stroke=\"#b03030\" stroke-width=\"2\"/>\n</svg>",
		line.trim_end()
	);
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	const COLUMNS: [Column; 2] = [
		Column { load_wh: 800, pv_wh: 100, traded_wh: 70, price: Some(180_000) },
		Column { load_wh: 0, pv_wh: 0, traded_wh: 0, price: None },
	];

	#[test]
	fn text_has_bars_of_the_right_height() {
		let chart = text(&COLUMNS);
		assert_eq!(
			chart.matches("██").count(),
			8 + 1,
			"the largest fills the height, and the legend"
		);
		assert_eq!(chart.matches("▒▒").count(), 1 + 1);
		assert!(chart.contains("0.180"));
	}

	#[test]
	fn svg_is_one_element_with_a_point_for_each_price() {
		let picture = svg(&COLUMNS, "A day");
		assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"));
		assert_eq!(picture.matches("<circle").count(), 1);
		assert_eq!(picture.matches("<rect").count(), 1 + 4);
	}
}
