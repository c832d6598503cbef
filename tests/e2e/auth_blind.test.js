// auth_blind.test.js: who may write but not read. Whatever is asked, no answer has anything of what a document holds, and none depends
// on it: each request goes to a document that holds something and to one that does not, and both answers must be the same.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertStatus, bearer, collectionPath, documentPath, jwtSettings, makeDirectory, secret, startPair, token, writeFile } from './harness.js';

const DATA = { secret: 'not for you', list: ['not', 'for', 'you'], object: { of: 'no business' } },
	SERVICES = { full: DATA, void: {} },
	PATCH = { type: 'application/json-patch+json' };

const key = secret();
const admin = bearer(token({ '*': 'rwpa' }, key, { claims: { sub: 'root' } }));
const blind = bearer(token({ full: 'w', void: 'w' }, key));

let pair, socket, count = 0;
before(async () => {
	pair = await startPair({ settings: jwtSettings(writeFile(path.join(makeDirectory('auth'), 'key'), key)) });
	socket = await pair.daemon.connect({ headers: blind });
});
after(() => pair?.stop());

// A document of two revisions in each service, of a name of its own for each row.
async function makeDocuments() {
	const id = `row-${String(++count).padStart(3, '0')}`;
	for (const [service, data] of Object.entries(SERVICES))
		for (const n of [1, 2]) {
			const answer = await pair.rest.put(documentPath(service, id), { data: Object.keys(data).length ? { ...data, n } : data }, admin);
			assert.ok(answer.status < 300, answer.text);
		}
	return id;
}

// What may differ: the service, times, and the id of a message.
const comparable = text => text.replace(/full|void/g, 'S').replace(/\b\d{13}\b/g, 'T').replace(/"request \d+"/, 'ID');

function assertTellsNothing(answers, name) {
	for (const text of answers) {
		assert.doesNotMatch(text, /not for you|no business|"data"/, name);
		assert.doesNotMatch(text, /"document":\{(?!"revision":\d+,"updatedAt":\d+,"createdAt":\d+(,"deleted":true)?,"service":"\w+","id":"[\w-]+"\})/, name);
	}
	const [full, empty] = answers.map(comparable);
	assert.equal(full, empty, name);
}

// [status, method, what follows the document's path, body, options]
const requests = [
	[200, 'PUT', '', { data: {} }],
	[200, 'PUT', '', { data: {} }, { headers: { 'Idempotency-Key': 'k' } }],
	[200, 'PUT', '', { data: {}, expectedRevision: 2 }],
	[409, 'PUT', '', { data: {}, expectedRevision: 1 }],
	[409, 'PUT', '', { data: {}, expectedRevision: 0 }],
	[412, 'PUT', '', { data: {} }, { headers: { 'If-Match': '"1-1"' } }],
	[412, 'PUT', '', { data: {} }, { headers: { 'If-Match': '"1-1"', Prefer: 'return=minimal' } }],
	[412, 'PUT', '', { data: {} }, { headers: { 'If-None-Match': '*' } }],
	[200, 'PATCH', '', { data: { secret: null } }],
	[200, 'PATCH', '', { data: { object: { of: 1, other: null } } }],
	[409, 'PATCH', '', { data: { secret: null }, expectedRevision: 1 }],
	[412, 'PATCH', '', { data: {} }, { headers: { 'If-Match': '"1-1"' } }],
	[200, 'PATCH', '', { secret: { deeper: null } }, { type: 'application/merge-patch+json' }],
	[200, 'PATCH', '', [], PATCH],
	[200, 'PATCH', '', [{ op: 'add', path: '/secret', value: 1 }], PATCH],
	[200, 'PATCH', '', [{ op: 'replace', path: '', value: {} }], PATCH],
	[422, 'PATCH', '', [{ op: 'replace', path: '', value: [] }], PATCH],
	[409, 'PATCH', '', [{ op: 'add', path: '', value: [] }, { op: 'add', path: '/3', value: 1 }], PATCH],
	[403, 'PATCH', '', [{ op: 'remove', path: '/secret' }], PATCH],
	[403, 'PATCH', '', [{ op: 'remove', path: '/list/2' }], PATCH],
	[403, 'PATCH', '', [{ op: 'replace', path: '/secret', value: 1 }], PATCH],
	[403, 'PATCH', '', [{ op: 'add', path: '/list/3', value: 1 }], PATCH],
	[403, 'PATCH', '', [{ op: 'add', path: '/list/-', value: 1 }], PATCH],
	[403, 'PATCH', '', [{ op: 'add', path: '/object/more', value: 1 }], PATCH],
	[403, 'PATCH', '', [{ op: 'test', path: '/secret', value: 'not for you' }], PATCH],
	[403, 'PATCH', '', [{ op: 'copy', from: '/secret', path: '/copy' }], PATCH],
	[403, 'PATCH', '', [{ op: 'move', from: '/secret', path: '/moved' }], PATCH],
	[422, 'PATCH', '', [{ op: 'steal', path: '/secret' }], PATCH],
	[200, 'DELETE', ''],
	[409, 'DELETE', '?expectedRevision=1'],
	[412, 'DELETE', '', undefined, { headers: { 'If-Match': '"1-1"' } }],
	[200, 'POST', '/restore', { revision: 1 }],
	[409, 'POST', '/restore', { revision: 1, expectedRevision: 1 }],
	[404, 'POST', '/restore', { revision: 9 }],
];

describe('REST, who may not read', () => {
	for (const [status, method, rest, body, options = {}] of requests)
		test(`${method} ${rest} ${JSON.stringify(body)} ${JSON.stringify(options.headers ?? '')}: ${status}`, async () => {
			const id = await makeDocuments();
			const headers = { ...options.headers, ...blind };
			const texts = [];
			for (const service of Object.keys(SERVICES)) {
				const ask = () => pair.rest.request(method, documentPath(service, id) + rest, { ...options, body, headers });
				const answers = [await ask()];
				assert.equal(answers[0].status, status, answers[0].text);
				// Who writes is told what it became: the next write's condition.
				if (status === 200) assert.match(answers[0].headers.etag, /^"3-\d+"$/);
				if (options.headers?.['Idempotency-Key']) {
					answers.push(await ask());
					assert.equal(answers[1].headers['idempotent-replay'], 'true');
				}
				const told = answers.map(({ text, headers: got }) => [text, got.etag, got['content-length'], got['idempotent-replay']]);
				if ([409, 412].includes(status) && !rest.startsWith('/restore') && !answers[0].json.failedOp)
					assert.equal(answers[0].json.currentRevision, 2);
				texts.push(told.flat().join('\n'));
			}
			assertTellsNothing(texts, id);
		});

	test('a create of what is there, and all of a tombstone', async () => {
		const id = await makeDocuments();
		const texts = { exists: [], gone: [], again: [] };
		for (const service of Object.keys(SERVICES)) {
			const document = documentPath(service, id);
			const exists = await pair.rest.post(collectionPath(service), { id }, blind);
			assertStatus(exists, 409);
			assertStatus(await pair.rest.delete(document, blind), 200);
			const gone = await pair.rest.patch(document, { data: {} }, undefined, blind);
			assertStatus(gone, 410);
			const again = await pair.rest.post(`${document}/restore`, { revision: 2 }, blind);
			assertStatus(again, 201);
			texts.exists.push(exists.text);
			texts.gone.push(gone.text);
			texts.again.push(again.text);
		}
		for (const [name, answers] of Object.entries(texts)) assertTellsNothing(answers, name);
		// But it was done.
		assert.deepEqual((await pair.rest.get(documentPath('full', id), admin)).json.data, { ...DATA, n: 2 });
	});
});

// [code or undefined, message]
const messages = [
	[undefined, { type: 'sync.replace', data: {} }],
	['revision_conflict', { type: 'sync.replace', data: {}, expectedRevision: 1 }],
	[undefined, { type: 'sync.merge', data: { secret: null } }],
	['revision_conflict', { type: 'sync.merge', data: {}, expectedRevision: 1 }],
	['document_exists', { type: 'sync.create', data: {} }],
	[undefined, { type: 'sync.patch', data: [{ op: 'add', path: '/secret', value: 1 }] }],
	['forbidden', { type: 'sync.patch', data: [{ op: 'remove', path: '/secret' }] }],
	['forbidden', { type: 'sync.patch', data: [{ op: 'add', path: '/list/0', value: 1 }] }],
	['revision_conflict', { type: 'sync.delete', expectedRevision: 1 }],
	[undefined, { type: 'sync.delete' }],
	[undefined, { type: 'sync.restore', revision: 1 }],
];

describe('WebSocket, who may not read', () => {
	for (const [code, message] of messages)
		test(`${JSON.stringify(message)}: ${code ?? 'done'}`, async () => {
			const documentId = await makeDocuments();
			const texts = [];
			for (const service of Object.keys(SERVICES)) {
				const { text, ...answer } = await socket.request({ ...message, service, documentId });
				assert.equal(answer.code, code, text);
				if (code === undefined) assert.equal(answer.document.revision, 3, text);
				texts.push(text);
			}
			assertTellsNothing(texts, documentId);
		});
});
