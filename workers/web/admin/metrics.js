// metrics.js: what /metrics says, read (Prometheus text), kept for a while, and turned into rates.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

const numberOf = text => (text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text));

// Map: name → [{labels, value}]
export function parseMetrics(text) {
	const metrics = new Map();
	for (const line of text.split('\n')) {
		const match = line[0] === '#' ? null : LINE.exec(line);
		if (!match) continue;
		const [, name, labelText = '', value] = match,
			labels = {};
		for (const [, label, quoted] of labelText.matchAll(LABEL)) labels[label] = quoted.replace(/\\[\\"n]/g, each => ESCAPES[each]);
		if (!metrics.has(name)) metrics.set(name, []);
		metrics.get(name).push({ labels, value: numberOf(value) });
	}
	return metrics;
}

// One look at the server.
export class Sample {
	constructor(text, at = performance.now()) {
		this.at = at;
		this.metrics = parseMetrics(text);
	}

	has(name) {
		return this.metrics.has(`syncdoc_${name}`);
	}

	// Sum over all that fit; undefined: there is none. fits: {worker: '0'}, for example.
	sum(name, fits = {}) {
		return this.#over(name, fits, (a, b) => a + b);
	}

	max(name, fits = {}) {
		return this.#over(name, fits, (a, b) => Math.max(a, b));
	}

	#over(name, fits, join) {
		const values = (this.metrics.get(`syncdoc_${name}`) ?? []).filter(({ labels }) =>
			Object.entries(fits).every(([label, value]) => labels[label] === value),
		);
		return values.length ? values.map(({ value }) => value).reduce(join) : undefined;
	}

	label(name, label) {
		return this.metrics.get(`syncdoc_${name}`)?.[0]?.labels[label];
	}

	// Indexes of the workers, in their order.
	workers() {
		const found = new Set();
		for (const values of this.metrics.values())
			for (const { labels } of values) if (labels.worker !== undefined) found.add(labels.worker);
		return [...found].sort((a, b) => a - b);
	}
}

// A second; counters of a server that was restarted begin anew: undefined, not a huge negative number.
export function rateOf(before, after, name, fits) {
	const from = before?.sum(name, fits),
		to = after.sum(name, fits);
	if (from === undefined || to === undefined || to < from || after.at <= before.at) return undefined;
	return ((to - from) * 1000) / (after.at - before.at);
}

// Upper bound, in the histogram's unit, below which `share` of what came between two looks lies.
export function quantileOf(before, after, name, share) {
	const counts = new Map();
	const add = (sample, sign) => {
		for (const { labels, value } of sample?.metrics.get(`syncdoc_${name}_bucket`) ?? []) {
			const bound = numberOf(labels.le);
			counts.set(bound, (counts.get(bound) ?? 0) + sign * value);
		}
	};
	add(after, 1);
	add(before, -1);
	const bounds = [...counts.keys()].sort((a, b) => a - b),
		total = counts.get(Infinity);
	if (!total || total < 0) return undefined;
	const found = bounds.find(bound => counts.get(bound) >= share * total);
	// Above the last bound nothing is known but that.
	return found === Infinity ? bounds.at(-2) : found;
}

// The last values, oldest first; `undefined` is a gap.
export class Series {
	values = [];

	constructor(max) {
		this.max = max;
	}

	push(value) {
		this.values.push(value);
		if (this.values.length > this.max) this.values.shift();
	}

	get last() {
		return this.values.at(-1);
	}
}
