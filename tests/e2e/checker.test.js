// checker.test.js: a short run of the checker, and that it finds what it is there to find.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run, check } from './checker.mjs';

test('every acknowledged write arrives exactly once and in order', async t => {
	const seed = Number(process.env.SYNCDOC_SEED ?? Date.now() % 1e9);
	const { line, faults, writes } = await check({ seconds: Number(process.env.SYNCDOC_CHECK_SECONDS ?? 5), seed });
	t.diagnostic(line);
	assert.deepEqual(faults, [], line);
	assert.ok(writes > 100, line);
});

// Three revisions as they should be, for one document in each mode; `spoil` breaks something.
function faultsOf(spoil) {
	const run = new Run('http://localhost', 1, 1);
	for (const document of run.documents.slice(0, 3)) {
		const states = [{ a: 1 }, { a: 2 }, { a: 2, b: 3 }];
		const diffs = [
			{ added: { a: 1 }, removed: [], changed: {} },
			{ added: {}, removed: [], changed: { a: { from: 1, to: 2 } } },
			{ added: { b: 3 }, removed: [], changed: {} },
		];
		document.acknowledged = states.map((data, i) => ({
			envelope: { revision: i + 1, updatedAt: 10 + i, createdAt: 10, data },
			apply: () => data,
		}));
		const messages = states.map((data, i) => ({
			type: 'event',
			topic: 'sync.s.updated',
			timestamp: 10 + i,
			payload: {
				revision: i + 1,
				...(document.mode !== 'diff' && { data }),
				...(document.mode !== 'full' && { diff: diffs[i] }),
			},
		}));
		document.socket = { messages };
		spoil(messages, document.acknowledged, document.mode);
		run.checkWrites(document);
		run.checkEvents(document);
	}
	return run.faults.length;
}

test('the checker sees an event that is lost, comes twice, too early, or says something else', () => {
	assert.equal(
		faultsOf(() => {}),
		0,
	);
	assert.equal(
		faultsOf(messages => messages.splice(1, 1)),
		3,
		'lost in the middle',
	);
	assert.equal(
		faultsOf(messages => messages.pop()),
		3,
		'lost at the end',
	);
	assert.equal(
		faultsOf(messages => messages.push(messages[2])),
		3,
		'twice',
	);
	assert.equal(
		faultsOf(messages => messages.reverse()),
		3,
		'out of order',
	);
	assert.equal(
		faultsOf((messages, _, mode) => mode !== 'diff' && (messages[1].payload.data = {})),
		2,
		'other data',
	);
	assert.equal(
		faultsOf(
			(messages, _, mode) =>
				mode !== 'full' && (messages[2].payload.diff = { added: { c: 3 }, removed: [], changed: {} }),
		),
		2,
		'other diff',
	);
	assert.equal(
		faultsOf(messages => messages.push({ type: 'resync', text: '' })),
		3,
		'a gap',
	);
	assert.equal(
		faultsOf((messages, acknowledged) => {
			acknowledged[1].apply = () => ({ a: 5 });
		}),
		3,
		'a document that is not what was written',
	);
	assert.equal(
		faultsOf((messages, acknowledged) => {
			acknowledged[2].envelope.updatedAt = messages[2].timestamp = 11;
		}),
		3,
		'a time that does not grow',
	);
});
