// plot.mjs: line charts as SVG, with logarithmic or linear axes. Text in, text out.
const WIDTH = 640,
	HEIGHT = 380,
	LEFT = 70,
	RIGHT = 20,
	TOP = 46,
	BOTTOM = 78,
	LINEAR_TICKS = 5;
const COLOURS = ['#1f6feb', '#8b949e', '#d1242f', '#1a7f37', '#9a6700'];

const escape = text => String(text).replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`);
const round = value => Number(value.toFixed(1));

function label(value) {
	for (const [unit, letter] of [
		[1e6, 'M'],
		[1e3, 'k'],
	])
		if (Math.abs(value) >= unit) return `${Number((value / unit).toPrecision(3))}${letter}`;
	return String(Number(value.toPrecision(3)));
}

// 1, 2 or 5 times a power of ten.
function niceStep(span) {
	const power = 10 ** Math.floor(Math.log10(span / LINEAR_TICKS));
	return power * [1, 2, 5, 10].find(factor => factor * power * LINEAR_TICKS >= span);
}

function linearAxis(values) {
	const most = Math.max(...values) || 1,
		step = niceStep(most * 1.02),
		end = Math.ceil((most * 1.02) / step) * step;
	const ticks = [];
	for (let i = 0; i * step <= end * 1.0001; i++) ticks.push(i * step);
	return { ticks, at: value => value / end };
}

// A zero has no logarithm: it stands at the left end, one decade below the smallest other value.
function logAxis(values) {
	const above = values.filter(value => value > 0),
		hasZero = values.some(value => value <= 0);
	const first = Math.floor(Math.log10(Math.min(...above)) + 1e-9) - (hasZero ? 1 : 0),
		last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...above)) - 1e-9));
	const ticks = [];
	for (let power = first; power <= last; power++) ticks.push(10 ** power);
	const at = value => ((value > 0 ? Math.log10(value) : first) - first) / (last - first);
	return { ticks, at, zero: hasZero ? ticks[0] : undefined };
}

const axis = ({ isLog }, values) => (isLog ? logAxis(values) : linearAxis(values));

// notes: lines below the chart. chart: {title, notes, x: {title, isLog}, y: {title, isLog}, series: [{name, points: [[x, y]…]}]}
export function plot({ title, notes, x, y, series }) {
	const points = series.flatMap(one => one.points);
	const across = axis(
			x,
			points.map(point => point[0]),
		),
		up = axis(
			y,
			points.map(point => point[1]),
		);
	const toX = value => round(LEFT + across.at(value) * (WIDTH - LEFT - RIGHT)),
		toY = value => round(HEIGHT - BOTTOM - up.at(value) * (HEIGHT - TOP - BOTTOM));
	const out = [
		`<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
		`<title>${escape(title)}</title>`,
		`<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
		`<text x="${LEFT}" y="18" font-size="15" fill="#1f2328">${escape(title)}</text>`,
	];
	for (const tick of across.ticks) {
		out.push(`<line x1="${toX(tick)}" y1="${TOP}" x2="${toX(tick)}" y2="${HEIGHT - BOTTOM}" stroke="#e6e8eb"/>`);
		out.push(`<text x="${toX(tick)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="#59636e">${tick === across.zero ? 0 : label(tick)}</text>`);
	}
	for (const tick of up.ticks) {
		out.push(`<line x1="${LEFT}" y1="${toY(tick)}" x2="${WIDTH - RIGHT}" y2="${toY(tick)}" stroke="#e6e8eb"/>`);
		out.push(`<text x="${LEFT - 8}" y="${toY(tick) + 4}" text-anchor="end" fill="#59636e">${label(tick)}</text>`);
	}
	out.push(`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - BOTTOM + 36}" text-anchor="middle" fill="#1f2328">${escape(x.title)}</text>`);
	out.push(`<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle" fill="#1f2328">${escape(y.title)}</text>`);
	series.forEach((one, i) => {
		const colour = COLOURS[i % COLOURS.length];
		out.push(`<polyline fill="none" stroke="${colour}" stroke-width="2" points="${one.points.map(([a, b]) => `${toX(a)},${toY(b)}`).join(' ')}"/>`);
		for (const [a, b] of one.points) out.push(`<circle cx="${toX(a)}" cy="${toY(b)}" r="3" fill="${colour}"><title>${escape(`${one.name}: ${label(a)}, ${label(b)}`)}</title></circle>`);
		const at = LEFT + i * 150;
		out.push(`<rect x="${at}" y="27" width="12" height="4" fill="${colour}"/><text x="${at + 17}" y="34" fill="#1f2328">${escape(one.name)}</text>`);
	});
	notes.forEach((text, i) => out.push(`<text x="${LEFT}" y="${HEIGHT - 20 + i * 13}" font-size="10" fill="#59636e">${escape(text)}</text>`));
	out.push('</svg>', '');
	return out.join('\n');
}
