// client_diff.test.js: applyDiff of the JavaScript client undoes what the server's diff did: on the vectors both sides share, and on random
// documents that go through the server.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { applyDiff, joinPath, splitPath } from '../../workers/web/client/realtime.js';
import { documentPath, randomOf, startPair, until } from './harness.js';
import { Clients } from './lib/client.js';

const vectors = JSON.parse(fs.readFileSync(new URL('../vectors/diff.json', import.meta.url), 'utf8'));
const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);
const isEmpty = ({ added, removed, changed }) => !removed.length && !Object.keys(added).length && !Object.keys(changed).length;

// Objects of JSON.parse have no prototype tricks: `__proto__` is a member.
function freeze(value) {
	if (value !== null && typeof value === 'object') for (const one of Object.values(Object.freeze(value))) freeze(one);
	return value;
}

describe('the shared vectors', () => {
	test('applied to the old data, each diff gives the new, and leaves the old as it was', () => {
		assert.ok(vectors.length >= 200);
		for (const { old, new: wanted, diff } of vectors) {
			freeze(old);
			const text = JSON.stringify(old);
			assert.deepEqual(applyDiff(old, diff), wanted, JSON.stringify(diff));
			assert.equal(JSON.stringify(old), text);
		}
	});

	test('what did not change is shared, what did is not', () => {
		const old = freeze({ a: { deep: { n: 1 } }, b: { deep: { n: 1 } }, list: [{ n: 1 }, { n: 2 }] });
		const data = applyDiff(old, { added: { 'list.2': 7 }, removed: [], changed: { 'a.deep.n': { from: 1, to: 2 }, 'list.1.n': { from: 2, to: 3 } } });
		assert.deepEqual(data, { a: { deep: { n: 2 } }, b: { deep: { n: 1 } }, list: [{ n: 1 }, { n: 3 }, 7] });
		assert.equal(data.b, old.b);
		assert.equal(data.list[0], old.list[0]);
		assert.notEqual(data.a.deep, old.a.deep);
	});

	test('a diff against other data is refused, whole', () => {
		const data = freeze({ a: { b: 1 }, list: [1, 2], text: 'x' });
		const rows = [{ removed: ['none'] }, { removed: ['a.none'] }, { removed: ['list.0'] }, { removed: ['text.length'] }, { removed: ['list.length'] },
			{ changed: { none: { to: 1 } } }, { changed: { 'list.2': { to: 1 } } }, { changed: { 'list.length': { to: 0 } } }, { changed: { 'text.0': { to: 'y' } } }, { changed: { 'toString': { to: 1 } } },
			{ added: { a: 1 } }, { added: { 'list.3': 1 } }, { added: { 'list.1': 1 } }, { added: { 'list.x': 1 } }, { added: { 'none.x': 1 } }, { added: { '__proto__.x': 1 } }];
		for (const diff of rows) assert.throws(() => applyDiff(data, diff), RangeError, JSON.stringify(diff));
		assert.equal({}.x, undefined);
	});

	test('paths go both ways', () => {
		for (const [path, names] of [['a', ['a']], ['', ['']], ['.', ['', '']], ['a.b\\.c', ['a', 'b.c']], ['\\\\.\\.', ['\\', '.']], ['items.3', ['items', '3']]]) {
			assert.deepEqual(splitPath(path), names);
			assert.equal(joinPath(names), path);
		}
		assert.equal(joinPath(['items', 3]), 'items.3');
	});
});

/* ---- random documents ---- */

const NAMES = ['a', 'b', 'a.b', '\\', '.', '', '0', '1', '10', '__proto__', 'constructor', 'toString', 'length', 'é', '\u{1f600}', '"', 'x y'];

function makeRandom(number) {
	const random = randomOf(number);
	const scalar = () => random.pick([null, true, false, 0, 1, -1, 0.1, -2.5e-7, 1e21, 1.5, 2 ** 53 - 1, '', 'x', 'é\n"', '\u{1f600}', '0', random.below(1000) / 8]);
	const value = depth => {
		const kind = random.below(depth > 3 ? 6 : 10);
		if (kind < 6) return scalar();
		return kind < 8 ? Array.from({ length: random.below(6) }, () => value(depth + 1)) : object(depth + 1);
	};
	const put = (target, name, one) => Object.defineProperty(target, name, { value: one, enumerable: true, configurable: true, writable: true });
	const object = depth => {
		const made = {};
		for (let n = random.below(7); n > 0; n--) put(made, random.pick(NAMES), value(depth));
		return made;
	};
	// The same with some of it other, gone or new.
	const changed = (one, depth) => {
		if (random.below(8) === 0) return value(depth);
		if (Array.isArray(one)) {
			const list = one.map(item => changed(item, depth + 1));
			if (random.below(3) === 0) list.splice(random.below(list.length + 1), random.below(3), ...Array.from({ length: random.below(3) }, () => value(depth + 1)));
			return list;
		}
		return one !== null && typeof one === 'object' ? changedObject(one, depth) : one;
	};
	const changedObject = (one, depth) => {
		const made = {};
		for (const [name, member] of Object.entries(one)) if (random.below(8)) put(made, name, changed(member, depth + 1));
		for (let n = random.below(3); n > 0; n--) put(made, random.pick(NAMES), value(depth + 1));
		return made;
	};
	return { object: () => object(0), changed: one => changedObject(one, 0), below: random.below };
}

describe('random documents', () => {
	const clients = new Clients();
	let pair;
	before(async () => {
		pair = await startPair({ settings: { 'ws.rate': 10000, 'ws.burst': 10000, 'history.max': 1000 } });
		process.stdout.write(`# seed ${seed}\n`);
	});
	after(async () => {
		clients.closeAll();
		await pair?.stop();
	});

	test('each diff of the server leads from one revision to the next, by events and in the history', async () => {
		const random = makeRandom(seed), realtime = clients.make(pair.daemon.url, { messagesPerSecond: 100000 }), written = [{}], seen = [];
		realtime.subscribe({ topic: 'sync.random.*', documentId: 'x', returnMode: 'diff', presence: false }).on('event', ({ payload }) => seen.push(payload));
		const live = await realtime.document('random', 'x');
		for (let n = 0; n < 300; n++) {
			const data = n % 20 === 19 ? random.object() : random.changed(written.at(-1));
			written.push(data);
			realtime.sync.replace('random', 'x', data);
		}
		await until(() => seen.length === 300);
		let held = {};
		for (const { revision, diff } of seen) {
			const before = held, where = `seed ${seed}, revision ${revision}: ${JSON.stringify(diff)}`;
			held = applyDiff(freeze(before), diff);
			assert.deepEqual(held, written[revision], where);
			const equal = JSON.stringify(sorted(before)) === JSON.stringify(sorted(held));
			assert.equal(isEmpty(diff), equal, where);
		}
		await until(() => live.revision === 300);
		assert.deepEqual(live.data, written.at(-1));
		assert.deepEqual((await pair.rest.get(documentPath('random', 'x'))).json.data, written.at(-1));
		held = {};
		const revisions = [];
		for (let pageToken, page; !page || pageToken; pageToken = page.nextPageToken) {
			page = await realtime.sync.history('random', 'x', { pageToken });
			revisions.unshift(...page.revisions.reverse());
		}
		for (const { revision, diff } of revisions) held = applyDiff(held, diff);
		assert.deepEqual([revisions.length, held], [300, written.at(-1)]);
	});
});

function sorted(value) {
	if (value === null || typeof value !== 'object') return value;
	if (Array.isArray(value)) return value.map(sorted);
	return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, one]) => [name, sorted(one)]);
}
