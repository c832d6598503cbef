// static.test.js: the pages and scripts that are inside the program, as HTTP sees them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import zlib from 'node:zlib';
import { Daemon, exchange, startPair } from './harness.js';

const PAGES = ['/documents', '/documents/inspect', '/status'];
const CONTENT_SECURITY_POLICY =
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

let pair, rest;
before(async () => {
	pair = await startPair();
	({ rest } = pair);
});
after(() => pair?.stop());

// Bytes as they come, of one request.
async function raw(method, path, headers = {}) {
	const lines = Object.entries({ Host: '127.0.0.1', Connection: 'close', ...headers }).map(([k, v]) => `${k}: ${v}`);
	const { bytes } = await exchange(pair.daemon.port, `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
	const end = bytes.indexOf('\r\n\r\n');
	const head = bytes.subarray(0, end).toString('latin1');
	return { status: Number(head.slice(9, 12)), head, body: bytes.subarray(end + 4) };
}

describe('files', () => {
	test('pages come as HTML with the headers that keep them harmless', async () => {
		for (const path of PAGES) {
			const answer = await rest.get(path);
			assert.equal(answer.status, 200, path);
			assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
			assert.equal(answer.headers['content-security-policy'], CONTENT_SECURITY_POLICY);
			assert.equal(answer.headers['x-content-type-options'], 'nosniff');
			assert.equal(answer.headers['referrer-policy'], 'no-referrer');
			assert.equal(answer.headers['cache-control'], 'no-cache');
			assert.equal(answer.headers['content-encoding'], undefined);
			assert.match(answer.text, /^<!doctype html>/i);
		}
	});

	test('everything a page or a script refers to is there, and nothing is elsewhere', async () => {
		const seen = new Set();
		const waiting = [...PAGES];
		while (waiting.length) {
			const path = waiting.pop();
			if (seen.has(path)) continue;
			seen.add(path);
			const answer = await rest.get(path);
			assert.equal(answer.status, 200, path);
			const types = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' };
			const ending = path.split('.')[1];
			if (ending) assert.equal(answer.headers['content-type'], types[ending], path);
			const references = ending
				? answer.text.matchAll(/^(?:import|export)\b[^;]*?\bfrom\s*'([^']+)'/gm)
				: answer.text.matchAll(/\b(?:src|href)="([^"]+)"/g);
			for (const [, reference] of references) {
				const url = new URL(reference, `http://server${path}`);
				assert.equal(url.host, 'server', `${path} refers to ${reference}`);
				waiting.push(url.pathname);
			}
		}
		assert.ok(seen.has('/realtime.js'), [...seen].join(' '));
	});

	// A file that was forgotten in workers/web/meson.build is seen here, not by users.
	test('every script, style and picture of the tree is served as it is there', async () => {
		const root = new URL('../../workers/web/', import.meta.url);
		for (const [folder, prefix] of [
			['admin/', '/admin/'],
			['client/', '/'],
			['client/realtime/', '/realtime/'],
		])
			for (const name of fs.readdirSync(new URL(folder, root)).filter(each => /\.(js|css|svg)$/.test(each))) {
				const answer = await rest.get(prefix + name);
				assert.equal(answer.status, 200, prefix + name);
				assert.equal(answer.text, fs.readFileSync(new URL(folder + name, root), 'utf8'));
			}
	});

	test('are gzipped for those who accept that, under a tag of their own', async () => {
		const plain = await raw('GET', '/documents');
		const packed = await raw('GET', '/documents', { 'Accept-Encoding': 'br, gzip' });
		assert.match(packed.head, /\r\ncontent-encoding: gzip/i);
		assert.match(packed.head, /\r\nvary: accept-encoding/i);
		assert.ok(packed.body.length < plain.body.length);
		assert.deepEqual(zlib.gunzipSync(packed.body), plain.body);
		const tag = answer => /\r\netag: (\S+)/i.exec(answer.head)[1];
		assert.notEqual(tag(plain), tag(packed));
		const refused = await raw('GET', '/documents', { 'Accept-Encoding': 'gzip;q=0, *' });
		assert.doesNotMatch(refused.head, /content-encoding/i);
	});

	test('If-None-Match gives 304 without a body, with the headers of the 200', async () => {
		for (const coding of ['identity', 'gzip']) {
			const headers = { 'Accept-Encoding': coding };
			const first = await raw('GET', '/status', headers);
			const tag = /\r\netag: (\S+)/i.exec(first.head)[1];
			const again = await raw('GET', '/status', { ...headers, 'If-None-Match': `"x", W/${tag}` });
			assert.equal(again.status, 304);
			assert.equal(again.body.length, 0);
			assert.ok(again.head.includes(tag));
			assert.match(again.head, /cache-control: no-cache/i);
			assert.equal((await raw('GET', '/status', { ...headers, 'If-None-Match': '"x"' })).status, 200);
		}
	});

	test('HEAD is GET without the body; other methods are 405', async () => {
		const get = await raw('GET', '/documents');
		const head = await raw('HEAD', '/documents');
		assert.equal(head.status, 200);
		assert.equal(head.body.length, 0);
		assert.match(head.head, new RegExp(`content-length: ${get.body.length}`, 'i'));
		for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
			const answer = await rest.request(method, '/documents');
			assert.equal(answer.status, 405);
			assert.equal(answer.headers.allow, 'GET, HEAD, OPTIONS');
		}
		assert.equal((await rest.request('OPTIONS', '/documents')).status, 204);
	});

	test('Accept does not matter: a script says */*, an image image/*', async () => {
		for (const accept of ['*/*', 'text/html', 'image/avif,image/*', 'application/json'])
			assert.equal((await rest.get('/documents', { Accept: accept })).status, 200);
	});

	test('path tricks reach nothing', async () => {
		for (const path of [
			'/documents/',
			'//documents',
			'/documents//inspect',
			'/documents%2Finspect',
			'/documents%5cinspect',
			'/documents/../documents',
			'/x/%2e%2e/documents',
			'/%2e%2e/%2e%2e/etc/passwd',
			'/admin/../../etc/passwd',
			'/admin/..%2f..%2fetc%2fpasswd',
			'/Documents',
			'/documents.html',
			'/admin',
			'/admin/',
			'/admin/documents.html',
			'/realtime.js/',
			'/realtime/',
			'/client/realtime.js',
			'/Realtime.js',
		])
			assert.equal((await raw('GET', path)).status, 404, path);
		for (const path of ['/documents%00', '/documents%00.html', '/documents%', '/documents%ff'])
			assert.equal((await raw('GET', path)).status, 400, path);
	});
});

describe('/', () => {
	test('leads browsers to the first page, and tells programs what this is', async () => {
		const browser = await rest.get('/', { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' });
		assert.equal(browser.status, 302);
		assert.equal(browser.headers.location, '/documents');
		for (const accept of [undefined, '*/*', 'application/json', 'text/html;q=0.3, application/json', 'text/html;q=0, */*']) {
			const answer = await rest.get('/', accept && { Accept: accept });
			assert.equal(answer.json.server, 'syncdoc');
			assert.match(answer.headers.vary, /accept/i);
		}
		assert.equal((await rest.get('/', { Accept: 'image/png' })).status, 406);
	});
});

describe('a page that is not there', () => {
	const browser = { Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
	const paths = ['/documents/nope', '/documents/', '/status/x', '/admin/', '/documents/inspect/a/b/c/d/e/f/g/h', '/documents/%3Cscript%3E'];

	test('is said to browsers in a page that leads back, as harmless as the others', async () => {
		for (const path of paths) {
			const answer = await rest.get(path, browser);
			assert.equal(answer.status, 404, path);
			assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
			assert.equal(answer.headers['content-security-policy'], CONTENT_SECURITY_POLICY);
			assert.equal(answer.headers['x-content-type-options'], 'nosniff');
			assert.equal(answer.headers.etag, undefined);
			assert.match(answer.headers.vary, /accept/i);
			assert.match(answer.text, /<a href="\/documents">/);
			assert.doesNotMatch(answer.text, /nope|%3C|<script>/);
		}
		const head = await raw('HEAD', '/documents/nope', browser);
		assert.equal(head.status, 404);
		assert.equal(head.body.length, 0);
	});

	test('is a problem in JSON for programs, for other methods, and everywhere else', async () => {
		for (const accept of [undefined, '*/*', 'application/json', 'application/json, text/html;q=0.5', 'text/html;q=0, */*', 'text/html;q=0.5, */*']) {
			const answer = await rest.get('/documents/nope', accept && { Accept: accept });
			assert.equal(answer.status, 404);
			assert.equal(answer.json.code, 'not_found', accept);
			assert.match(answer.headers.vary, /accept/i);
		}
		assert.equal((await rest.request('POST', '/documents/nope', { headers: browser })).json.code, 'not_found');
		for (const path of ['/v1/documents', '/v1/services/s/documents/nope', '/nope', '/realtime/x', '/documentsx'])
			assert.match((await rest.get(path, browser)).headers['content-type'], /json/, path);
		assert.equal((await raw('GET', '/documents%', browser)).status, 400);
	});
});

describe('admin.enabled = no', () => {
	let daemon;
	before(async () => {
		daemon = await Daemon.start({ redis: pair.redis, settings: { 'admin.enabled': 'no' } });
	});
	after(() => daemon?.stop());

	test('takes the pages away, not the client, and / answers JSON to all', async () => {
		for (const path of [...PAGES, '/admin/style.css']) {
			for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS'])
				assert.equal((await daemon.rest.request(method, path)).status, 404, `${method} ${path}`);
		}
		assert.equal((await daemon.rest.get('/realtime.js')).status, 200);
		assert.equal((await daemon.rest.get('/documents/nope', { Accept: 'text/html' })).json.code, 'not_found');
		const root = await daemon.rest.get('/', { Accept: 'text/html, */*' });
		assert.equal(root.status, 200);
		assert.equal(root.json.server, 'syncdoc');
	});
});
