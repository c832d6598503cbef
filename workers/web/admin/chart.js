// chart.js: a small line chart that moves on with each value.
import { h, svg } from './dom.js';

const WIDTH = 300,
	HEIGHT = 64,
	TOP = 4; // of the view box
const NICE = [1, 2, 2.5, 5, 10];
const SHORTEST = 30; // values

// The next round number, so that the scale does not jump with each value.
function niceMax(value) {
	if (!(value > 0)) return 1;
	const power = 10 ** Math.floor(Math.log10(value));
	return NICE.find(step => step * power >= value) * power;
}

export class Chart {
	// title, unit; format(value) → text; least: the smallest top of the scale; hint: what it means.
	constructor({ title, unit = '', format, least, hint }) {
		Object.assign(this, { title, unit, format, least });
		this.value = h('span', { class: 'chart-value number' }, '–');
		this.scale = h('span', { class: 'chart-scale muted small number' });
		this.area = svg('path', { class: 'chart-area' });
		this.line = svg('path', { class: 'chart-line', 'vector-effect': 'non-scaling-stroke' });
		this.picture = svg(
			'svg',
			{ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
			this.area,
			svg('line', { class: 'chart-base', x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
			svg('line', { class: 'chart-top', x1: 0, x2: WIDTH, y1: TOP, y2: TOP, 'vector-effect': 'non-scaling-stroke' }),
			this.line,
		);
		this.element = h(
			'figure',
			{ class: 'card chart' },
			h(
				'figcaption',
				{},
				h('span', { class: 'chart-title', title: hint }, title),
				h('span', {}, this.value, unit && h('span', { class: 'muted small' }, ` ${unit}`)),
			),
			h('div', { class: 'chart-box' }, this.picture, this.scale),
		);
		this.draw([]);
	}

	draw(values) {
		const known = values.filter(value => value !== undefined),
			top = Math.max(this.least, niceMax(Math.max(0, ...known))),
			last = values.at(-1);
		this.value.textContent = last === undefined ? '–' : this.format(last);
		this.scale.textContent = known.length ? this.format(top) : '';
		this.picture.setAttribute(
			'aria-label',
			`${this.title}: ${last === undefined ? 'not known' : `${this.format(last)} ${this.unit}`}, at most ${known.length ? this.format(Math.max(...known)) : 'not known'} lately`,
		);
		const { line, area } = this.#paths(values, top);
		this.line.setAttribute('d', line);
		this.area.setAttribute('d', area);
	}

	// The newest value stands at the right edge; gaps stay gaps.
	#paths(values, top) {
		// In the beginning the window is short, so that there is something to be seen.
		const step = WIDTH / (Math.max(SHORTEST, values.length) - 1),
			left = WIDTH - (values.length - 1) * step;
		const y = value => (HEIGHT - 1 - (value / top) * (HEIGHT - 1 - TOP)).toFixed(1);
		let line = '',
			area = '',
			from;
		const close = i => {
			if (from !== undefined) area += `L${(left + (i - 1) * step).toFixed(1)} ${HEIGHT}L${from} ${HEIGHT}Z`;
			from = undefined;
		};
		values.forEach((value, i) => {
			const x = (left + i * step).toFixed(1);
			if (value === undefined) {
				close(i);
				return;
			}
			const point = `${from === undefined ? 'M' : 'L'}${x} ${y(value)}`;
			from ??= x;
			line += point;
			area += point;
		});
		close(values.length);
		return { line, area };
	}
}
