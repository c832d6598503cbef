// metrics.js: Prometheus text 0.0.4, read strictly: what a scraper would take silently the wrong way is an error here.
import assert from 'node:assert/strict';

const TYPES = new Set(['counter', 'gauge', 'histogram']);
const SAMPLE =
	/^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|NaN|[+-]Inf)$/;

const familyOf = (name, families) => {
	if (families.has(name)) return name;
	const stem = name.replace(/_(bucket|sum|count)$/, '');
	return families.get(stem)?.type === 'histogram' ? stem : undefined;
};

// Map: name of the family → {type, help, samples: [{name, labels, value}]}
export function parseMetrics(text) {
	const families = new Map();
	let current;
	assert.ok(text.endsWith('\n'), 'the last line ends');
	for (const line of text.slice(0, -1).split('\n')) {
		const help = line.match(/^# HELP (\S+) (.+)$/);
		const type = line.match(/^# TYPE (\S+) (\S+)$/);
		if (help) {
			assert.ok(!families.has(help[1]), `${help[1]} has one block only`);
			families.set((current = help[1]), { help: help[2], samples: [] });
		} else if (type) {
			assert.equal(type[1], current, 'TYPE stands behind its HELP');
			assert.ok(TYPES.has(type[2]), line);
			families.get(current).type = type[2];
		} else {
			const sample = line.match(SAMPLE);
			assert.ok(sample, `a line that is no sample: ${line}`);
			assert.equal(familyOf(sample[1], families), current, `${line} stands in the block of ${current}`);
			const labels = Object.fromEntries(
				[...(sample[2] ?? '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]),
			);
			families
				.get(current)
				.samples.push({ name: sample[1], labels, value: Number(sample[3].replace('Inf', 'Infinity')) });
		}
	}
	for (const [name, family] of families) {
		assert.ok(family.type && family.samples.length > 0, `${name} has a type and samples`);
		const keys = family.samples.map(sample => `${sample.name} ${JSON.stringify(sample.labels)}`);
		assert.equal(new Set(keys).size, keys.length, `${name}: no sample stands twice`);
	}
	return families;
}

// What one scrape says. `rest`: a client; a connection of its own each time meets any worker.
export async function scrape(rest) {
	const answer = await rest.get('/metrics');
	assert.equal(answer.status, 200, answer.text);
	return new Scrape(answer.text);
}

export class Scrape {
	constructor(text) {
		this.text = text;
		this.families = parseMetrics(text);
	}

	samples(name) {
		return [...this.families.values()].flatMap(family => family.samples).filter(sample => sample.name === name);
	}

	// The sum of all samples of that name with these labels; there must be one.
	value(name, labels = {}) {
		const found = this.samples(name).filter(sample =>
			Object.entries(labels).every(([key, value]) => sample.labels[key] === String(value)),
		);
		assert.ok(found.length > 0, `/metrics has ${name}${JSON.stringify(labels)}`);
		return found.reduce((sum, sample) => sum + sample.value, 0);
	}

	// Samples that never fall while the supervisor lives.
	counters() {
		const all = new Map();
		for (const family of this.families.values())
			if (family.type !== 'gauge')
				for (const { name, labels, value } of family.samples) all.set(`${name}${JSON.stringify(labels)}`, value);
		return all;
	}
}
