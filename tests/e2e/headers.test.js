// headers.test.js: what every answer says to browsers, and which Hosts and Origins are served: tables.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
	collectionPath,
	documentPath,
	exchange,
	handshake,
	hasWholeAnswer,
	parseAnswer,
	secret,
	startPair,
	token,
	writeFile,
} from './harness.js';

const key = secret();
const APP = 'https://app.example.org';
let pair, port, directory, bearer;
before(async () => {
	directory = fs.mkdtempSync(path.join(os.tmpdir(), 'syncdoc-headers-'));
	pair = await startPair({
		settings: {
			'auth.mode': 'jwt',
			'auth.algorithm': 'HS256',
			'auth.key': writeFile(path.join(directory, 'key'), key),
			cors_origins: APP,
			hosts: 'sync.example.org',
			'limits.request_timeout': 4, // the test of 408 waits for it, all others must be within it
		},
	});
	({ port } = pair.daemon);
	bearer = `Bearer ${token({ h: 'rwp' }, key)}`;
	for (const id of ['x', 'gone']) assert.equal((await send('PUT', documentPath('h', id), { body: '{"data":{}}' })).status, 201);
	assert.equal((await send('DELETE', documentPath('h', 'gone'))).status, 200);
});
after(async () => {
	await pair?.stop();
	fs.rmSync(directory, { recursive: true });
});

// `headers`: undefined leaves one out.
async function send(method, target, { body = '', headers = {} } = {}) {
	const all = {
		Host: `127.0.0.1:${port}`,
		Authorization: bearer,
		...(body ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) } : {}),
		...headers,
	};
	const lines = Object.entries(all)
		.filter(([, value]) => value !== undefined)
		.map(([name, value]) => `${name}: ${value}\r\n`);
	const isDone = bytes => (method === 'HEAD' || bytes.includes(' 304 Not') ? bytes.includes('\r\n\r\n') : hasWholeAnswer(bytes));
	const { text } = await exchange(port, `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`, { isDone });
	const answer = parseAnswer(text);
	assert.ok(answer, `no answer to ${method} ${target}: ${text}`);
	return answer;
}

describe('every answer', () => {
	const created = { body: '{"data":{}}' };
	for (const [status, method, target, options = {}] of [
		[200, 'GET', '/livez'],
		[200, 'GET', '/v1/services'],
		[200, 'GET', documentPath('h', 'x')],
		[200, 'HEAD', documentPath('h', 'x')],
		[200, 'GET', collectionPath('h')],
		[200, 'GET', `${documentPath('h', 'x')}/history`],
		[200, 'GET', '/documents'],
		[200, 'GET', '/realtime.js'],
		[201, 'PUT', documentPath('h', 'new'), created],
		[204, 'OPTIONS', documentPath('h', 'x')],
		[204, 'OPTIONS', '*'],
		[302, 'GET', '/', { headers: { Accept: 'text/html' } }],
		[304, 'GET', documentPath('h', 'x'), { headers: { 'If-None-Match': '*' } }],
		[400, 'GET', '/v1/services?page=7'],
		[400, 'PUT', documentPath('h', 'x'), { body: '{"data":' }],
		[400, 'GET', '/v1/realtime'],
		[400, 'GET', '/v1/services', { headers: { 'X[1]': 'a' } }], // a folded header, for one, libmicrohttpd 1.0 answers itself
		[401, 'GET', '/v1/services', { headers: { Authorization: undefined } }],
		[403, 'GET', documentPath('other', 'x')],
		[404, 'GET', documentPath('h', 'nobody')],
		[404, 'GET', '/nowhere'],
		[405, 'PATCH', '/v1/services'],
		[406, 'GET', documentPath('h', 'x'), { headers: { Accept: 'image/png' } }],
		[408, 'PUT', documentPath('h', 'x'), { body: '{', headers: { 'Content-Length': 9 } }],
		[409, 'POST', collectionPath('h'), { body: '{"id":"x"}' }],
		[410, 'GET', documentPath('h', 'gone')],
		[412, 'PUT', documentPath('h', 'x'), { ...created, headers: { 'If-Match': '"9-9"' } }],
		[413, 'PUT', documentPath('h', 'x'), { headers: { 'Content-Length': 1e8 } }],
		[415, 'PUT', documentPath('h', 'x'), { ...created, headers: { 'Content-Type': 'text/plain' } }],
		[421, 'GET', '/v1/services', { headers: { Host: 'evil.example' } }],
		[422, 'PUT', documentPath('h', 'x'), { body: '{"data":[]}' }],
	])
		test(`${status} to ${method} ${target}: nosniff, a cache rule, CORS for the application and nobody else`, async () => {
			const answerTo = origin => send(method, target, { ...options, headers: { ...options.headers, Origin: origin } });
			const answer = await answerTo(APP);
			const { headers } = answer;
			assert.equal(answer.status, status, answer.text);
			assert.equal(headers['x-content-type-options'], 'nosniff');
			assert.ok(headers['x-request-id']);
			// Pages are asked about each time; all else is nobody's to keep.
			const isPage = ['/documents', '/realtime.js'].includes(target);
			assert.equal(headers['cache-control'], isPage ? 'no-cache' : 'no-store');
			assert.equal(headers['access-control-allow-origin'], APP);
			assert.match(headers.vary ?? '', /origin/i);
			if (answer.status >= 400) assert.equal(headers['content-type'], 'application/problem+json');
			if (isPage) assert.match(headers['content-security-policy'], /default-src 'none'|default-src 'self'/);
			const foreign = await answerTo('https://evil.example');
			assert.equal(foreign.headers['access-control-allow-origin'], undefined);
			assert.equal(foreign.headers['x-content-type-options'], 'nosniff');
		});
});

describe('Host', () => {
	for (const [host, served] of [
		['127.0.0.1', true],
		['127.0.0.1:1', true], // the port does not count
		['localhost', true],
		['LOCALHOST.', true],
		['sync.example.org', true],
		['Sync.Example.Org:443', true],
		[os.hostname(), true],
		['evil.example', false],
		['sync.example.org.evil.example', false],
		['xsync.example.org', false],
		['127.0.0.2', false],
		['[::1]', false], // not listened on
		['0x7f000001', false],
		['2130706433', false],
		['127.1', false],
		['localhost:80:80', false],
		['127.0.0.1@evil.example', false],
		['evil.example, 127.0.0.1', false],
	])
		test(`${host}: ${served ? 'served' : '421'}, for REST, pages and handshakes`, async () => {
			const refused = status => (served ? status : 421);
			const headers = { Host: host };
			assert.equal((await send('GET', '/v1/services', { headers })).status, refused(200));
			assert.equal((await send('GET', '/documents', { headers })).status, refused(200));
			assert.equal((await send('PUT', documentPath('h', 'y'), { body: '{"data":{}}', headers })).status >= 400, !served);
			const { text } = await exchange(port, handshake(port, headers), { isDone: hasWholeAnswer });
			assert.equal(parseAnswer(text).status, refused(101));
		});
});

describe('Origin', () => {
	for (const [origin, allowed] of [
		[undefined, true],
		[() => `http://127.0.0.1:${port}`, true],
		[APP, true],
		['https://APP.example.org', true],
		['http://app.example.org', false],
		['https://app.example.org:8443', false],
		['https://app.example.org.evil.example', false],
		['https://evil.example', false],
		[() => `http://localhost:${port}`, false], // another origin than the Host
		['http://127.0.0.1:1', false],
		['null', false],
		['', false],
		['file://', false],
	])
		test(`${typeof origin === 'function' ? 'own, or nearly' : origin}: ${allowed ? 'allowed' : '403 where it changes something'}`, async () => {
			const headers = { Origin: typeof origin === 'function' ? origin() : origin };
			const refused = status => (allowed ? status : 403);
			assert.equal((await send('GET', documentPath('h', 'x'), { headers })).status, 200, 'the browser keeps it from the page');
			for (const [method, target, body] of [
				['PUT', documentPath('h', 'x'), '{"data":{}}'],
				['PATCH', documentPath('h', 'x'), '{"data":{}}'],
				['PUT', `${documentPath('h', 'x')}/presence/ann`, '{"mode":"viewing","ttl":10}'],
			]) {
				const { status } = await send(method, target, { body, headers });
				assert.ok(allowed ? status < 300 : status === 403, `${method} ${target}: ${status}`);
			}
			const { text } = await exchange(port, handshake(port, headers), { isDone: hasWholeAnswer });
			assert.equal(parseAnswer(text).status, refused(101));
		});
});
