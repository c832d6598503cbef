// auth_matrix.test.js: every route and every WebSocket message × every kind of token, each cell's status asserted. A route or
// a message that is not in the tables fails the last two tests.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
	EventStream,
	WebSocketClient,
	assertProblem,
	bearer,
	now,
	rsaKeys,
	secret,
	sign,
	startPair,
	token,
	until,
	writeFile,
} from './harness.js';

const source = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../workers');
const key = secret();
const aud = 'documents';
const good = (rights, claims) => token(rights, key, { claims: { aud, ...claims } });
const rsa = rsaKeys();

// What is no token at all, or none of this server's: 401 everywhere, whatever it says it allows.
const all = { '*': 'rwpa' };
const refused = {
	'no token': undefined,
	expired: good(all, { exp: now() - 60 }),
	'wrong alg': token(all, key, { alg: 'HS512', claims: { aud } }),
	'RS256 where HS256 is due': token(all, rsa.privateKey, { alg: 'RS256', claims: { aud } }),
	'alg:none': token(all, key, { alg: 'none', claims: { aud } }),
	'alg:none, signed': sign({ sub: 'ann', exp: now() + 300, aud, syncdoc: all }, key, { header: { alg: 'none' } }),
	'wrong key': token(all, secret(), { claims: { aud } }),
	'wrong audience': good(all, { aud: 'others' }),
};
const accepted = {
	'other service': good({ t: 'rwpa' }),
	'other document': good({ s: { rights: 'rwpa', documents: ['u42-*', 'lobby'] } }),
	'read-only': good({ s: 'r' }),
	'presence-only': good({ s: 'p' }),
	'write-only': good({ s: 'w' }),
	write: good({ s: 'rw' }),
	admin: good(all),
};
const kinds = { ...refused, ...accepted };

// Columns of the tables below, in the order of `accepted`.
const columns = Object.keys(accepted);
const cells = line => Object.fromEntries(line.trim().split(/\s+/).map((status, i) => [columns[i], Number(status)]));

let directory;
let pair;
let admin;
let position;
let count = 0;

before(async () => {
	directory = fs.mkdtempSync(path.join(os.tmpdir(), 'syncdoc-auth-'));
	pair = await startPair({
		settings: {
			'auth.mode': 'jwt',
			'auth.algorithm': 'HS256',
			'auth.audience': aud,
			'auth.key': writeFile(path.join(directory, 'key'), key),
			'ws.rate': 10000,
			'ws.burst': 10000,
		},
	});
	admin = bearer(accepted.admin);
	const client = await pair.daemon.connect({ headers: admin });
	({ position } = await client.subscribe({ topic: 'sync.s.*' }));
	client.close();
});

after(async () => {
	await pair?.stop();
	fs.rmSync(directory, { recursive: true, force: true });
});

// A document of its own for each cell: {id, etag}.
async function makeDocument() {
	const id = `cell-${++count}`;
	const answer = await pair.rest.put(`/v1/services/s/documents/${id}`, { data: { n: 1 } }, admin);
	assert.equal(answer.status, 201, answer.text);
	return { id, etag: answer.headers.etag, document: answer.json };
}

const D = '/v1/services/{service}/documents/{id}';
const json = 'application/json';

//                                                other other read pres write
//                                                serv. docu. only only only  write admin
const routes = [
	[`GET ${D}`, {},                              '403   403   200  403  403   200   200'],
	[`HEAD ${D}`, {},                             '403   403   200  403  403   200   200'],
	[`GET ${D}`, { query: '?revision=1' },        '403   403   200  403  403   200   200'],
	[`GET ${D}`, { query: '?wait=1s', headers: { 'If-None-Match': '"9-9"' } },
	                                              '403   403   200  403  403   200   200'],
	[`PUT ${D}`, { body: { data: {} } },          '403   403   403  403  200   200   200'],
	[`PATCH ${D}`, { body: { data: { a: 1 } } },  '403   403   403  403  200   200   200'],
	[`PATCH ${D}`, { body: { a: 1 }, type: 'application/merge-patch+json' },
	                                              '403   403   403  403  200   200   200'],
	[`PATCH ${D}`, { body: [{ op: 'add', path: '/m', value: 1 }, { op: 'add', path: '', value: {} }], type: 'application/json-patch+json' },
	                                              '403   403   403  403  200   200   200'],
	[`PATCH ${D}`, { body: [{ op: 'replace', path: '', value: {} }], type: 'application/json-patch+json' },
	                                              '403   403   403  403  200   200   200'],
	[`PATCH ${D}`, { body: [{ op: 'remove', path: '/n' }], type: 'application/json-patch+json' },
	                                              '403   403   403  403  403   200   200'],
	[`PATCH ${D}`, { body: [{ op: 'replace', path: '/n', value: 2 }], type: 'application/json-patch+json' },
	                                              '403   403   403  403  403   200   200'],
	[`PATCH ${D}`, { body: [{ op: 'add', path: '/o', value: {} }, { op: 'add', path: '/o/p', value: 1 }], type: 'application/json-patch+json' },
	                                              '403   403   403  403  403   200   200'],
	[`PATCH ${D}`, { body: [{ op: 'test', path: '/n', value: 1 }], type: 'application/json-patch+json' },
	                                              '403   403   403  403  403   200   200'],
	[`PATCH ${D}`, { body: [{ op: 'add', path: '/b', value: 1 }, { op: 'copy', from: '/n', path: '/c' }], type: 'application/json-patch+json' },
	                                              '403   403   403  403  403   200   200'],
	[`PATCH ${D}`, { body: [{ op: 'move', from: '/n', path: '/c' }], type: 'application/json-patch+json' },
	                                              '403   403   403  403  403   200   200'],
	[`DELETE ${D}`, {},                           '403   403   403  403  200   200   200'],
	[`GET ${D}/history`, {},                      '403   403   200  403  403   200   200'],
	[`POST ${D}/restore`, { body: { revision: 1 } },
	                                              '403   403   403  403  200   200   200'],
	[`GET ${D}/events`, { stream: true },         '403   403   200  403  403   200   200'],
	[`GET ${D}/events`, { stream: true, query: '?event=presence' },
	                                              '403   403   403  200  403   403   200'],
	[`GET ${D}/events`, { stream: true, query: '?presence=true' },
	                                              '403   403   403  403  403   403   200'],
	['GET /v1/events', { stream: true, query: '?topic=sync.s.updated' },
	                                              '403   200   200  403  403   200   200'],
	['GET /v1/events', { stream: true, query: '?topic=sync.s.presence' },
	                                              '403   200   403  200  403   403   200'],
	['GET /v1/events', { stream: true, query: '?topic=sync.*.*' },
	                                              '200   200   200  403  403   200   200'],
	['GET /v1/events', { stream: true, query: '?topic=sync.s.updated&documentPrefix=cell-' },
	                                              '403   403   200  403  403   200   200'],
	['GET /v1/connections', {},                   '403   403   403  403  403   403   200'],
	['DELETE /v1/connections/{id}', {},           '403   403   403  403  403   403   404'],
	['POST /v1/auth/revoke', { body: { sub: 'nobody' } },
	                                              '403   403   403  403  403   403   204'],
	[`GET ${D}/presence`, {},                     '403   403   403  200  403   403   200'],
	[`GET ${D}/presence/{member}`, {},            '403   403   403  404  403   403   404'],
	[`PUT ${D}/presence/{member}`, { body: {} },  '403   403   403  201  403   403   201'],
	[`DELETE ${D}/presence/{member}`, {},         '403   403   403  404  403   403   404'],
	['GET /v1/services/{service}/documents', {},  '403   200   200  403  403   200   200'],
	['POST /v1/services/{service}/documents', { body: { id: 'new' } },
	                                              '403   403   403  403  201   201   201'],
	['POST /v1/services/{service}/documents', { body: {} },
	                                              '403   403   403  403  201   201   201'],
	['POST /v1/services/{service}/documents:batchGet', { body: { ids: ['x'] } },
	                                              '403   200   200  403  403   200   200'],
	['GET /v1/services', {},                      '200   200   200  200  200   200   200'],
	// On behalf of somebody elsewhere.
	['GET /metrics', { headers: { 'X-Forwarded-For': '192.0.2.1' } },
	                                              '403   403   403  403  403   403   200'],
];
// Open: the same for all.
const open = [
	['GET /livez', 200],
	['GET /readyz', 200],
	['GET /', 200],
	['GET /metrics', 200], // on this host
	['GET /status', 200],
];

async function ask(route, options, kind) {
	const [method, pattern] = route.split(' ');
	const { id } = pattern.includes('{id}') ? await makeDocument() : {};
	const target = pattern.replace('{service}', 's').replace('{id}', id).replace('{member}', 'm1') + (options.query ?? '');
	const headers = { ...options.headers, ...(kinds[kind] === undefined ? {} : bearer(kinds[kind])) };
	let { body } = options;
	if (body?.id) body = { id: `new-${++count}` };
	if (options.stream) {
		const stream = await EventStream.open(pair.daemon.port, target, { headers });
		if (stream.status !== 200) await until(() => stream.end, undefined, () => 'end of the refusal');
		stream.close();
		return { status: stream.status, headers: stream.headers, text: stream.text };
	}
	return pair.rest.request(method, target, { body, type: body === undefined ? undefined : (options.type ?? json), headers });
}

describe('REST', () => {
	for (const [route, options, line] of routes)
		test(`${route}${options.query ?? ''} ${options.type ?? ''}`, async () => {
			const expected = cells(line);
			for (const kind of Object.keys(kinds)) {
				const answer = await ask(route, options, kind);
				const status = expected[kind] ?? 401;
				assert.equal(answer.status, status, `${kind}: ${answer.text}`);
				if (status === 401) {
					const challenge = answer.headers['www-authenticate'];
					assert.match(challenge, /^Bearer realm="syncdoc"/, kind);
					assert.equal(challenge.includes('invalid_token'), kind !== 'no token', challenge);
				}
				if (route.startsWith('HEAD')) continue;
				if (status === 401)
					assertProblem(answer, 401, { 'no token': 'unauthorized', expired: 'token_expired' }[kind] ?? 'invalid_token');
				if (status === 403) assertProblem(answer, 403, 'forbidden');
			}
		});

	for (const [route, status] of open)
		test(`${route} is open`, async () => {
			for (const kind of Object.keys(kinds)) assert.equal((await ask(route, {}, kind)).status, status, kind);
		});

	test('GET /v1/realtime takes good tokens, refuses bad ones, and waits for one where there is none', async () => {
		const url = `ws://127.0.0.1:${pair.daemon.port}/v1/realtime`;
		for (const [kind, text] of Object.entries(kinds)) {
			const headers = text === undefined ? {} : bearer(text);
			const opened = WebSocketClient.connect(url, { headers });
			if (text === undefined || kind in accepted) (await opened).close();
			else await assert.rejects(opened, /401/, kind);
		}
	});

	test('what is no route, and a wrong method, is said to everybody', async () => {
		assertProblem(await pair.rest.get('/v1/nothing'), 404, 'not_found');
		assertProblem(await pair.rest.delete('/v1/services'), 405, 'method_not_allowed');
	});

	test('preflights need no token', async () => {
		const answer = await pair.rest.request('OPTIONS', '/v1/services/s/documents/x');
		assert.equal(answer.status, 204);
	});

	test('who may not even ask is told so before the names, the body and the document are looked at', async () => {
		for (const target of ['/v1/services/s%20s/documents/x', '/v1/services/t/documents/nothing'])
			assert.equal((await pair.rest.get(target)).status, 401);
		const answer = await pair.rest.put('/v1/services/s/documents/x', 'no json', bearer(accepted['read-only']));
		assertProblem(answer, 403, 'forbidden');
	});
});

//                                                                         other other read pres write
//                                                                         serv. docu. only only only  write admin
const messages = [
	[{ type: 'subscribe', topic: 'sync.s.updated' },                       '403   200   200  403  403   200   200'],
	[{ type: 'subscribe', topic: 'sync.s.*', documentId: '{id}' },         '403   403   200  403  403   200   200'],
	[{ type: 'subscribe', topic: 'sync.s.*', documentId: '{id}', snapshot: true },
	                                                                       '403   403   200  403  403   200   200'],
	[{ type: 'subscribe', topic: 'sync.s.*', documentId: '{id}', since: { createdAt: 1, revision: 1 } },
	                                                                       '403   403   200  403  403   200   200'],
	[{ type: 'subscribe', topic: 'sync.s.*', after: '{position}' },        '403   200   200  403  403   200   200'],
	[{ type: 'subscribe', topic: 'sync.s.updated', documentPrefix: 'cell-' },
	                                                                       '403   403   200  403  403   200   200'],
	[{ type: 'subscribe', topic: 'sync.s.presence' },                      '403   200   403  200  403   403   200'],
	[{ type: 'subscribe', topic: 'sync.s.presence', documentId: '{id}', snapshot: true },
	                                                                       '403   403   403  403  403   403   200'],
	[{ type: 'subscribe', topic: 'sync.s.updated', presence: true },       '403   200   403  403  403   403   200'],
	[{ type: 'subscribe', topic: 'sync.*.updated' },                       '200   200   200  403  403   200   200'],
	[{ type: 'unsubscribe', topic: 'sync.s.expired' },                     '404   404   404  404  404   404   404'],
	[{ type: 'sync.create', service: 's', documentId: '{new}', data: {} }, '403   403   403  403  200   200   200'],
	[{ type: 'sync.create', service: 's' },                                '403   403   403  403  200   200   200'],
	[{ type: 'sync.get', service: 's', documentId: '{id}' },               '403   403   200  403  403   200   200'],
	[{ type: 'sync.get', service: 's', documentId: '{id}', revision: 1 },  '403   403   200  403  403   200   200'],
	[{ type: 'sync.replace', service: 's', documentId: '{id}', data: {} }, '403   403   403  403  200   200   200'],
	[{ type: 'sync.merge', service: 's', documentId: '{id}', data: {} },   '403   403   403  403  200   200   200'],
	[{ type: 'sync.patch', service: 's', documentId: '{id}', data: [] },   '403   403   403  403  200   200   200'],
	[{ type: 'sync.patch', service: 's', documentId: '{id}', data: [{ op: 'add', path: '/m', value: 1 }] },
	                                                                       '403   403   403  403  200   200   200'],
	[{ type: 'sync.patch', service: 's', documentId: '{id}', data: [{ op: 'remove', path: '/n' }] },
	                                                                       '403   403   403  403  403   200   200'],
	[{ type: 'sync.patch', service: 's', documentId: '{id}', data: [{ op: 'test', path: '/n', value: 1 }] },
	                                                                       '403   403   403  403  403   200   200'],
	[{ type: 'sync.delete', service: 's', documentId: '{id}' },            '403   403   403  403  200   200   200'],
	[{ type: 'sync.restore', service: 's', documentId: '{id}', revision: 1 },
	                                                                       '403   403   403  403  200   200   200'],
	[{ type: 'sync.list', service: 's' },                                  '403   200   200  403  403   200   200'],
	[{ type: 'sync.history', service: 's', documentId: '{id}' },           '403   403   200  403  403   200   200'],
	[{ type: 'presence.join', service: 's', documentId: '{id}', mode: 'viewing' },
	                                                                       '403   403   403  200  403   403   200'],
	[{ type: 'presence.update', service: 's', documentId: '{id}' },        '403   403   403  404  403   403   404'],
	[{ type: 'presence.leave', service: 's', documentId: '{id}' },         '403   403   403  404  403   403   404'],
	[{ type: 'presence.list', service: 's', documentId: '{id}' },          '403   403   403  200  403   403   200'],
	[{ type: 'ping' },                                                     '200   200   200  200  200   200   200'],
];

async function send(client, message) {
	const filled = { ...message };
	if (filled.documentId === '{id}') filled.documentId = (await makeDocument()).id;
	if (filled.documentId === '{new}') filled.documentId = `new-${++count}`;
	if (filled.after) filled.after = position;
	const answer = await client.request(filled);
	return answer.type === 'error' ? answer : { ...answer, status: 200 };
}

describe('WebSocket', () => {
	for (const kind of columns)
		test(`messages of a token: ${kind}`, async () => {
			const client = await pair.daemon.connect();
			const answer = await client.request({ type: 'auth', token: kinds[kind] });
			assert.equal(answer.type, 'result', answer.text);
			assert.equal(answer.userId, 'ann');
			for (const [message, line] of messages) {
				const got = await send(client, message);
				assert.equal(got.status, cells(line)[kind], `${JSON.stringify(message)}: ${JSON.stringify(got)}`);
				if (got.status === 403) assert.equal(got.code, 'forbidden');
			}
		});

	for (const kind of Object.keys(refused))
		test(`messages before a token, and then one that is refused: ${kind}`, async () => {
			const client = await pair.daemon.connect();
			for (const [message] of messages) {
				const filled = { ...message, documentId: message.documentId && 'x' };
				const answer = await client.request(filled);
				if (message.type === 'ping') assert.equal(answer.type, 'pong');
				else assert.deepEqual([answer.type, answer.status, answer.code], ['error', 401, 'unauthorized'], answer.text);
			}
			if (kinds[kind] === undefined) return;
			const answer = await client.request({ type: 'auth', token: kinds[kind] });
			assert.equal(answer.status, 401, answer.text);
			assert.equal(answer.code, kind === 'expired' ? 'token_expired' : 'invalid_token');
			assert.equal((await client.waitForClose()).code, kind === 'expired' ? 4001 : 4003);
		});
});

test('every route of the server stands in the tables', () => {
	const text = fs.readFileSync(path.join(source, 'router.c'), 'utf8');
	const known = new Set([...routes, ...open].map(([route]) => route.split(' ')[1]).concat('/v1/realtime'));
	const patterns = [...text.matchAll(/\.pattern = "([^"]+)"/g)].map(match => match[1]);
	assert.ok(patterns.length >= 10);
	assert.deepEqual(patterns.filter(pattern => pattern !== '' && !known.has(pattern)), []);
});

test('every WebSocket message of the server stands in the table', () => {
	const text = fs.readFileSync(path.join(source, 'session.c'), 'utf8');
	const known = new Set(messages.map(([message]) => message.type).concat('auth'));
	const types = [...text.matchAll(/\{"([a-z.]+)", (?:session|answer)_\w+, \w+\}/g)].map(match => match[1]);
	assert.ok(types.length >= 15);
	assert.deepEqual(types.filter(type => !known.has(type)), []);
});
