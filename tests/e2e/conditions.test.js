// conditions.test.js: expectedRevision, If-Match, If-None-Match on what is unknown, lives or is deleted; and races of them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertProblem, assertStatus, collectionPath, documentPath, startPair } from './harness.js';

let pair,
	rest,
	count = 0;
before(async () => {
	pair = await startPair({ settings: { workers: 2 } });
	({ rest } = pair);
});
after(() => pair?.stop());

const other = '"2-1"';

// A fresh document in that state: {path, revision, etag, envelope}. Living ones are at revision 2, tombstones at 3.
async function make(state) {
	const path = documentPath('conditions', `${state}-${++count}`);
	let answer = { headers: {} };
	if (state !== 'unknown') {
		await rest.put(path, { data: { n: 1 } });
		answer = await rest.put(path, { data: { n: 2 } });
	}
	if (state === 'tombstone') answer = await rest.delete(path);
	return {
		path,
		etag: answer.headers.etag,
		envelope: answer.text ? answer.json : undefined,
		revision: answer.text ? answer.json.revision : 0,
	};
}

// `conditions`: as they are for this document: 'current' stands for its revision or tag.
function write(method, { path, etag, revision }, conditions) {
	const { expectedRevision, ...headers } = conditions;
	const expected = expectedRevision === 'current' ? revision : expectedRevision;
	for (const name of Object.keys(headers)) if (headers[name] === 'current') headers[name] = etag ?? other;
	if (method === 'DELETE')
		return rest.delete(expected === undefined ? path : `${path}?expectedRevision=${expected}`, headers);
	return rest.request(method, path, { body: { data: { n: 3 }, expectedRevision: expected }, headers });
}

const tables = {
	// conditions, then the status on: unknown, living, tombstone
	PUT: [
		[{}, 201, 200, 201],
		[{ expectedRevision: 0 }, 201, 409, 201],
		[{ expectedRevision: 'current' }, 201, 200, 201],
		[{ expectedRevision: 1 }, 409, 409, 409],
		[{ expectedRevision: 7 }, 409, 409, 409],
		[{ 'If-Match': 'current' }, 412, 200, 201],
		[{ 'If-Match': other }, 412, 412, 412],
		[{ 'If-Match': '*' }, 412, 200, 412],
		[{ 'If-None-Match': '*' }, 201, 412, 201],
		[{ 'If-None-Match': other }, 201, 200, 201],
		[{ 'If-None-Match': 'current' }, 201, 412, 412],
		[{ 'If-Match': 'current', expectedRevision: 'current' }, 412, 200, 201],
		[{ 'If-Match': 'current', expectedRevision: 7 }, 412, 409, 409],
		[{ 'If-Match': other, expectedRevision: 'current' }, 412, 412, 412],
		[{ 'If-Match': other, expectedRevision: 7 }, 412, 412, 412],
		[{ 'If-None-Match': '*', expectedRevision: 0 }, 201, 412, 201],
		[{ 'If-None-Match': '*', expectedRevision: 7 }, 409, 412, 409],
	],
	PATCH: [
		[{}, 404, 200, 410],
		[{ expectedRevision: 0 }, 404, 409, 410],
		[{ expectedRevision: 'current' }, 404, 200, 410],
		[{ expectedRevision: 7 }, 404, 409, 410],
		[{ 'If-Match': 'current' }, 404, 200, 410],
		[{ 'If-Match': other }, 404, 412, 410],
		[{ 'If-Match': '*' }, 404, 200, 410],
		[{ 'If-None-Match': '*' }, 404, 412, 410],
		[{ 'If-Match': other, expectedRevision: 7 }, 404, 412, 410],
		[{ 'If-Match': 'current', expectedRevision: 7 }, 404, 409, 410],
	],
};
tables.DELETE = tables.PATCH;

for (const [method, rows] of Object.entries(tables))
	describe(`conditions of ${method}`, () => {
		for (const [conditions, ...statuses] of rows)
			for (const [i, state] of ['unknown', 'living', 'tombstone'].entries())
				test(`${JSON.stringify(conditions)} on ${state}: ${statuses[i]}`, async () => {
					const document = await make(state);
					const answer = await write(method, document, conditions);
					const status = statuses[i];
					if (status < 300) {
						assert.equal(assertStatus(answer, status).revision, document.revision + 1);
						return;
					}
					const code = {
						404: 'document_not_found',
						409: 'revision_conflict',
						410: 'document_deleted',
						412: 'precondition_failed',
					}[status];
					const problem = assertProblem(answer, status, code);
					if (status !== 404) assert.equal(problem.currentRevision, document.revision);
					if (state === 'living') assert.deepEqual(problem.document, document.envelope);
					const after = await rest.get(`${document.path}?deleted=true`);
					assert.deepEqual(
						state === 'unknown' ? undefined : after.json,
						document.envelope,
						'nothing was changed',
					);
				});
	});

describe('conditions', () => {
	test('several tags: one that fits is enough', async () => {
		const document = await make('living');
		assertStatus(
			await write('PUT', document, { 'If-Match': `${other}, W/${document.etag}, ${document.etag}` }),
			200,
		);
		const next = await make('living');
		assertProblem(
			await write('PUT', next, { 'If-Match': `W/${next.etag}` }),
			412,
			'precondition_failed',
			'weak tags match nothing in If-Match',
		);
		assertProblem(await write('PUT', next, { 'If-Match': '"strange"' }), 412);
	});

	test('what is no condition is 400', async () => {
		const document = await make('living');
		for (const conditions of [
			{ expectedRevision: -1 },
			{ expectedRevision: 1.5 },
			{ expectedRevision: '2' },
			{ 'If-Match': '2' },
			{ 'If-None-Match': 'x' },
			{ 'If-Match': '"' },
			{ 'If-Match': '*, "2-1"' },
		])
			assertProblem(await write('PUT', document, conditions), 400);
		for (const value of ['', '-1', '1.0', 'x', '99999999999999999999'])
			assertProblem(await rest.delete(`${document.path}?expectedRevision=${value}`), 400);
	});

	test('POST is judged by what lives, and takes no expectedRevision', async () => {
		const document = await make('living');
		const id = document.envelope.id;
		assertProblem(
			await rest.post(collectionPath('conditions'), { id, data: {} }, { 'If-None-Match': '*' }),
			409,
			'document_exists',
		);
		assertProblem(await rest.post(collectionPath('conditions'), { data: {}, expectedRevision: 0 }), 422);
	});

	test('JSON Patch and merge patch are conditional by If-Match', async () => {
		const document = await make('living');
		const types = [
			['application/json-patch+json', [{ op: 'add', path: '/x', value: 1 }]],
			['application/merge-patch+json', { y: 1 }],
		];
		let { etag } = document;
		for (const [type, body] of types) {
			assertProblem(await rest.patch(document.path, body, type, { 'If-Match': other }), 412);
			const answer = await rest.patch(document.path, body, type, { 'If-Match': etag });
			assertStatus(answer, 200);
			({ etag } = answer.headers);
		}
	});
});

describe('races', () => {
	const WRITERS = 16,
		ROUNDS = 12;
	const kinds = {
		expectedRevision: (path, last, i) => rest.put(path, { data: { writer: i }, expectedRevision: last.revision }),
		'If-Match': (path, last, i) =>
			rest.put(path, { data: { writer: i } }, { 'If-Match': `"${last.revision}-${last.updatedAt}"` }),
		merge: (path, last, i) => rest.patch(path, { data: { writer: i }, expectedRevision: last.revision }),
		patch: (path, last, i) =>
			rest.patch(path, [{ op: 'replace', path: '/writer', value: i }], 'application/json-patch+json', {
				'If-Match': `"${last.revision}-${last.updatedAt}"`,
			}),
	};
	for (const [kind, attempt] of Object.entries(kinds))
		test(`of ${WRITERS} writers with the same ${kind} exactly one wins, round after round`, async () => {
			const path = documentPath('races', kind);
			let last = assertStatus(await rest.put(path, { data: { writer: -1 } }), 201);
			for (let round = 0; round < ROUNDS; round++) {
				const answers = await Promise.all(Array.from({ length: WRITERS }, (_, i) => attempt(path, last, i)));
				const winners = answers.filter(answer => answer.status === 200);
				assert.equal(winners.length, 1, answers.map(answer => answer.status).join());
				const won = winners[0].json;
				assert.equal(won.revision, last.revision + 1);
				assert.equal(won.data.writer, answers.indexOf(winners[0]));
				for (const answer of answers.filter(one => one.status !== 200)) {
					const problem = assertProblem(answer, kind === 'expectedRevision' || kind === 'merge' ? 409 : 412);
					assert.equal(problem.currentRevision, won.revision);
					assert.deepEqual(problem.document, won);
				}
				last = won;
				assert.deepEqual((await rest.get(path)).json, won);
			}
		});

	test(`of ${WRITERS} creators exactly one wins; the others are told what it made`, async () => {
		for (let round = 0; round < ROUNDS; round++) {
			const make = i =>
				i % 2
					? rest.post(collectionPath('races'), { id: `new${round}`, data: { i } })
					: rest.put(documentPath('races', `new${round}`), { data: { i }, expectedRevision: 0 });
			const answers = await Promise.all(Array.from({ length: WRITERS }, (_, i) => make(i)));
			const winners = answers.filter(answer => answer.status === 201);
			assert.equal(winners.length, 1);
			for (const answer of answers.filter(one => one.status !== 201))
				assert.deepEqual(assertProblem(answer, 409).document, winners[0].json);
		}
	});

	test('without a condition all writers get through, each with a revision of its own', async () => {
		const path = documentPath('races', 'free');
		assertStatus(await rest.put(path, { data: {} }), 201);
		const answers = await Promise.all(
			Array.from({ length: 64 }, (_, i) => rest.patch(path, { data: { [`k${i}`]: i } })),
		);
		const revisions = answers.map(answer => assertStatus(answer, 200).revision).sort((a, b) => a - b);
		assert.deepEqual(
			revisions,
			Array.from({ length: 64 }, (_, i) => i + 2),
		);
		assert.equal(Object.keys((await rest.get(path)).json.data).length, 64);
	});
});
