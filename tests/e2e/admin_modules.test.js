// admin_modules.test.js: the parts of the Admin UI that need no browser.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
	differencesOf,
	differencesOfDiff,
	joinPath,
	mergePatch,
	pathsMeet,
	splitPath,
	summaryOf,
} from '../../workers/web/admin/differences.js';
import { formatAgo, formatBytes, formatCompact, formatDuration, formatValue } from '../../workers/web/admin/format.js';
import { checkJsonObject } from '../../workers/web/admin/json_check.js';
import { compactJson, dataTextOf, formatJson } from '../../workers/web/admin/json_format.js';
import { Sample, Series, parseMetrics, quantileOf, rateOf } from '../../workers/web/admin/metrics.js';
import { applyDiff, randomOf } from './harness.js';

const SEED = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);
const NAMES = ['a', 'b.c', 'd\\e', '', 'list', 'Ärger', '7'];

function randomValue(random, depth) {
	const kind = random.below(depth > 0 ? 9 : 6);
	if (kind === 8) return Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
	if (kind >= 6) return randomObject(random, depth - 1);
	return [null, true, random.below(1000) - 500, random.below(1000) / 8, 'text "quoted" \\ \n { [', ''][kind];
}
const randomObject = (random, depth) =>
	Object.fromEntries(Array.from({ length: random.below(5) }, () => [random.pick(NAMES), randomValue(random, depth)]));

describe('json_check', () => {
	const faultOf = text => {
		const fault = checkJsonObject(text);
		return fault && `${fault.line}:${fault.column} ${fault.message}`;
	};

	test('says where it is wrong, and what', () => {
		assert.equal(faultOf('{"a": [1, {"b": null}], "c": "\\u00e4\\n", "d": -1.5e-3}'), null);
		assert.equal(faultOf(' \n{ } \n'), null);
		for (const [text, expected] of [
			['', '1:1 a value is expected, not the end'],
			['{\n  "a": 1,\n}', '2:9 there is nothing behind this comma'],
			['{"a": 01}', '1:7 this is no number'],
			['{"a": 1.}', '1:7 this is no number'],
			['{"a": NaN}', '1:7 a value is expected, not “N”'],
			["{'a': 1}", "1:2 a name in double quotes is expected, not “'”"],
			['{"a" 1}', '1:6 “:” is expected, not “1”'],
			['{"a": 1 "b": 2}', '1:9 “,” or “}” is expected, not “"”'],
			['{"a": [1', '1:9 “,” or “]” is expected, not the end'],
			['{"a": "x\ny"}', '1:9 a text ends on its line; write \\n for a line break'],
			['{"a": "x', '1:7 this text has no end'],
			['{"a": "\\x"}', '1:8 there is no such escape'],
			['{"a": 1, "\\u0061": 2}', '1:10 “a” is here twice'],
			['{"a": "\\ud800"}', '1:7 half of a surrogate pair'],
			['{"a": 18446744073709551616}', '1:7 integers have 64 bits at most'],
			['{"a": 1e999}', '1:7 this number is too large'],
			['{} {}', '1:4 nothing may follow, but “{” does'],
			['[1]', '1:1 the data of a document is an object: {…}'],
			['{"\\u0000": 1}', '1:2 names hold no NUL'],
		])
			assert.equal(faultOf(text), expected, text);
		assert.equal(faultOf('{"a": 18446744073709551615, "b": -9223372036854775808}'), null);
		assert.match(faultOf(`{"a": ${'['.repeat(100000)}`), /too deep/);
	});

	test('takes what JSON.parse takes, and nothing else, in texts with random damage', t => {
		t.diagnostic(`SYNCDOC_SEED=${SEED}`);
		const random = randomOf(SEED);
		for (let i = 0; i < 3000; i++) {
			let text = JSON.stringify(randomObject(random, 4), null, random.below(3));
			for (let damage = random.below(3); damage > 0; damage--) {
				const at = random.below(text.length + 1),
					cut = random.below(2);
				text = text.slice(0, at) + random.pick(['', ',', '"', '{', ']', '\\', '0', 'x', ' ', '-', ':']) + text.slice(at + cut);
			}
			let isFine = true;
			try {
				JSON.parse(text);
			} catch {
				isFine = false;
			}
			const fault = checkJsonObject(text);
			if (!isFine) assert.ok(fault, text);
			// What only we refuse: not an object, a name twice.
			else if (fault) assert.match(fault.message, /is here twice|is an object/, `${fault.message}: ${text}`);
		}
	});
});

describe('json_format', () => {
	test('indents and packs as JSON.stringify does', () => {
		const random = randomOf(SEED);
		for (let i = 0; i < 500; i++) {
			const value = randomObject(random, 4),
				text = JSON.stringify(value, null, '\t');
			assert.equal(formatJson(text), JSON.stringify(value, null, 2));
			assert.equal(compactJson(text), JSON.stringify(value));
		}
	});

	test('keeps the text of numbers', () => {
		assert.equal(
			compactJson('{ "a" : 9007199254740993, "b":1.50 , "c":[ -0, 1E5 ] }'),
			'{"a":9007199254740993,"b":1.50,"c":[-0,1E5]}',
		);
		assert.equal(dataTextOf('{"revision":1,"id":"a","data":{"data":{"x":1}}}'), '{"data":{"x":1}}');
	});
});

describe('differences', () => {
	// As a diff, in the order in which it applies: of arrays the last index first.
	const asDiff = list => ({
		added: Object.fromEntries(list.filter(each => each.kind === 'added').map(({ path, to }) => [path, to])),
		removed: list
			.filter(each => each.kind === 'removed')
			.map(each => each.path)
			.reverse(),
		changed: Object.fromEntries(list.filter(each => each.kind === 'changed').map(({ path, from, to }) => [path, { from, to }])),
	});

	test('lead from one value to the other, and back through the form of a diff', () => {
		const random = randomOf(SEED);
		for (let i = 0; i < 1000; i++) {
			const from = randomObject(random, 3),
				to = randomObject(random, 3),
				list = differencesOf(from, to);
			assert.deepEqual(applyDiff(from, asDiff(list)), to, JSON.stringify([from, to]));
			const key = each => `${each.kind} ${each.path}`;
			assert.deepEqual(differencesOfDiff(asDiff(list)).map(key).sort(), list.map(key).sort());
		}
		assert.deepEqual(differencesOf({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }), []);
	});

	test('paths are cut where names were joined', () => {
		for (const names of [['a'], ['a.b', 'c\\d', ''], ['', ''], ['x', '7']])
			assert.deepEqual(splitPath(names.reduce((path, name) => joinPath(path, name), null)), names);
		assert.ok(pathsMeet('a.b', 'a') && pathsMeet('a', 'a.b') && pathsMeet('a', 'a'));
		assert.ok(!pathsMeet('ab', 'a'));
		assert.equal(summaryOf([{ kind: 'added' }, { kind: 'changed' }, { kind: 'changed' }]), '1 added, 2 changed');
	});

	test('merge patches do what RFC 7396 shows', () => {
		const cases = [
			[{ a: 'b' }, { a: 'c' }, { a: 'c' }],
			[{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
			[{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
			[{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
			[{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
			[{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
			[{ e: null }, { a: 1 }, { e: null, a: 1 }],
			[{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
		];
		for (const [target, patch, result] of cases) assert.deepEqual(mergePatch(target, patch), result);
		const harmless = mergePatch({}, JSON.parse('{"__proto__": {"polluted": 1}}'));
		assert.equal({}.polluted, undefined);
		assert.deepEqual(Object.keys(harmless), ['__proto__']);
	});
});

describe('metrics', () => {
	const text = (a, b) =>
		`# HELP syncdoc_x_total Help.\n# TYPE syncdoc_x_total counter\nsyncdoc_x_total{worker="0"} ${a}\nsyncdoc_x_total{worker="1"} ${b}\nsyncdoc_level 2.5e3\n`;

	test('Prometheus text is read', () => {
		const metrics = parseMetrics(
			`${text(1, 2)}syncdoc_info{a="q\\"u\\\\o\\n",b="x"} 1\nsyncdoc_nan NaN\nsyncdoc_b{le="+Inf"} +Inf 1700000\n\nnot a line\n`,
		);
		assert.deepEqual(metrics.get('syncdoc_level'), [{ labels: {}, value: 2500 }]);
		assert.deepEqual(metrics.get('syncdoc_info')[0].labels, { a: 'q"u\\o\n', b: 'x' });
		assert.ok(Number.isNaN(metrics.get('syncdoc_nan')[0].value));
		assert.equal(metrics.get('syncdoc_b')[0].value, Infinity);
	});

	test('rates are per second, and unknown after a restart', () => {
		const before = new Sample(text(10, 20), 1000),
			after = new Sample(text(12, 24), 3000),
			restarted = new Sample(text(0, 0), 5000);
		assert.equal(rateOf(before, after, 'x_total'), 3);
		assert.equal(rateOf(before, after, 'x_total', { worker: '1' }), 2);
		assert.equal(rateOf(after, restarted, 'x_total'), undefined);
		assert.equal(rateOf(undefined, after, 'x_total'), undefined);
		assert.equal(rateOf(before, after, 'unknown'), undefined);
		assert.equal(after.max('x_total'), 24);
		assert.deepEqual(after.workers(), ['0', '1']);
	});

	test('quantiles are of what came between two looks', () => {
		const of = (...counts) =>
			new Sample(
				counts.map((count, i) => `syncdoc_t_bucket{worker="0",le="${['0.001', '0.01', '+Inf'][i]}"} ${count}`).join('\n'),
				0,
			);
		assert.equal(quantileOf(of(100, 100, 100), of(100, 199, 199), 't', 0.99), 0.01);
		assert.equal(quantileOf(of(0, 0, 0), of(100, 100, 100), 't', 0.99), 0.001);
		assert.equal(quantileOf(of(0, 0, 0), of(0, 0, 5), 't', 0.99), 0.01);
		assert.equal(quantileOf(of(1, 1, 1), of(1, 1, 1), 't', 0.99), undefined);
	});

	test('a series keeps the last ones', () => {
		const series = new Series(3);
		for (const value of [1, 2, undefined, 4]) series.push(value);
		assert.deepEqual(series.values, [2, undefined, 4]);
	});
});

describe('format', () => {
	test('numbers, sizes and times are short', () => {
		assert.deepEqual([0, 1.234, 12.34, 9999, 12345].map(formatCompact), ['0', '1.23', '12.3', '9,999', '12.3K']);
		assert.deepEqual([0, 1023, 1024, 1536, 70 << 20].map(formatBytes), ['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '70 MiB']);
		assert.deepEqual([-5, 900, 61000, 5400000, 90000000].map(formatDuration), ['0 s', '1 s', '1:01', '1 h 30 min', '1 d 1 h']);
		assert.deepEqual(
			[0, 7000, 120000, 7200000, 172800000].map(ago => formatAgo(1e12 - ago, 1e12)),
			['just now', '7 s ago', '2 min ago', '2 h ago', '2 d ago'],
		);
		assert.equal(formatValue('x'.repeat(300)).length, 120);
		assert.equal(formatValue(undefined), '—');
	});
});
