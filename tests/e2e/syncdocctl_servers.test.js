// syncdocctl_servers.test.js: syncdocctl and servers that refuse, fail, are silent or none of ours; unix sockets, proxies, tokens and TLS.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { describe, test } from 'node:test';
import { run } from './harness.js';
import { Ctl, EXIT, ctl, useCtl } from './lib/ctl.js';

const { DONE, FAILED, USAGE, NOT_FOUND, CONFLICT, UNREACHABLE, FORBIDDEN, UNAVAILABLE } = EXIT;

const site = useCtl();
const { call, ok, refused } = site;

describe('servers of other kinds', () => {
	// Answers every request with what `answer(request)` writes; resolves to {url, requests, close}.
	async function fake(answer) {
		const requests = [];
		const server = http.createServer((request, response) => {
			const body = [];
			request.on('data', part => body.push(part));
			request.on('end', () => {
				requests.push({ ...request, method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(body).toString() });
				answer(request, response);
			});
		});
		await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
		return { url: `http://127.0.0.1:${server.address().port}`, requests, close: () => server.close() };
	}
	const problem = (status, code) => (request, response) => {
		response.writeHead(status, { 'Content-Type': 'application/problem+json' });
		response.end(JSON.stringify({ type: 'x', title: 'T', status, detail: `it is ${code}\u001b[31m`, code }));
	};

	test('statuses become exit codes', async () => {
		for (const [status, code, exit] of [
			[401, 'unauthorized', FORBIDDEN],
			[403, 'forbidden', FORBIDDEN],
			[404, 'document_not_found', NOT_FOUND],
			[412, 'precondition_failed', CONFLICT],
			[429, 'rate_limited', UNAVAILABLE],
			[500, 'internal', FAILED],
			[503, 'redis_unavailable', UNAVAILABLE],
			[503, 'outcome_unknown', FAILED],
		]) {
			const server = await fake(problem(status, code));
			const end = await call('--url', server.url, 'delete', 'a', 'b');
			server.close();
			assert.equal(end.code, exit, code);
			assert.match(end.stderr, new RegExp(`it is ${code}\\\\u001b\\[31m \\(${status} ${code}\\)`));
		}
		const server = await fake((request, response) => response.writeHead(502).end('<html>bad'));
		await refused(FAILED, /status 502, and not as syncdocd does/, '--url', server.url, 'get', 'a', 'b');
		server.close();
	});

	test('chunked answers, and a path before /v1, as behind a proxy', async () => {
		const server = await fake((request, response) => {
			for (const part of ['{"revision":', '1,"data"', ':{}}']) response.write(part);
			response.end();
		});
		assert.equal((await ok('--url', `${server.url}/sync/`, 'get', 's', 'i@x')).stdout, '{"revision":1,"data":{}}\n');
		server.close();
		assert.equal(server.requests[0].url, '/sync/v1/services/s/documents/i@x');
	});

	test('the token goes with the request, from option, file and environment, and is never shown', async () => {
		const server = await fake(problem(401, 'unauthorized'));
		const file = path.join(site.directory, 'token');
		fs.writeFileSync(file, 'from-file-77\nsecond line\n');
		for (const [args, env, wanted] of [
			[[], {}, undefined],
			[['--token', 'from-option-77'], { SYNCDOC_TOKEN: 'from-env-77' }, 'Bearer from-option-77'],
			[['--token-file', file], {}, 'Bearer from-file-77'],
			[[], { SYNCDOC_TOKEN: 'from-env-77' }, 'Bearer from-env-77'],
		]) {
			const end = await ctl(null, ['--url', server.url, ...args, 'get', 'a', 'b'], { env });
			assert.equal(end.code, FORBIDDEN);
			assert.equal(server.requests.at(-1).headers.authorization, wanted);
			assert.doesNotMatch(end.stderr, /-77/);
		}
		server.close();
		fs.writeFileSync(file, 'two words\n');
		for (const args of [['--token', 'a\r\nX: y'], ['--token', 'ä'], ['--token-file', file], ['--token-file', '/none'], ['--token', 'a', '--token-file', file]])
			await refused(USAGE, /token/, ...args, 'get', 'a', 'b');
	});

	test('what cannot be reached, ends early, is silent or no HTTP is exit status 5', async () => {
		await refused(UNREACHABLE, /cannot reach http:\/\/127\.0\.0\.1:1: Connection refused/, '--url', 'http://127.0.0.1:1', 'services');
		await refused(UNREACHABLE, /No such file/, '--url', `unix:${site.directory}/none`, 'services');
		await refused(UNREACHABLE, /control socket .*is syncdocd running/, '--socket', `${site.directory}/none`, 'status');
		for (const [reply, pattern, timeout = 60] of [
			['HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{', /ended before the answer did/],
			['220 mail.example.org ESMTP\r\n', /no HTTP server/],
			['', /ended before/],
			[null, /no answer in time/, 0.5],
		]) {
			const server = net.createServer(socket => {
				socket.on('error', () => {});
				socket.once('data', () => reply !== null && socket.end(reply));
			});
			await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
			const url = `http://127.0.0.1:${server.address().port}`;
			const end = await call('--url', url, '--timeout', timeout, 'delete', 'a', 'b');
			server.close();
			assert.equal(end.code, UNREACHABLE, end.stderr);
			assert.match(end.stderr, pattern);
			assert.match(end.stderr, /whether it was done is not known/);
		}
	});

	test('a unix socket', async () => {
		assert.equal((await ok('--url', `unix:${site.daemon.socket}`, 'create', 'unix', '--id', 'u')).json.id, 'u');
		assert.equal((await ok('get', 'unix', 'u')).json.id, 'u');
	});

	test('https: with a certificate that is trusted by --ca, and not without it', async t => {
		const key = path.join(site.directory, 'key.pem'), certificate = path.join(site.directory, 'cert.pem');
		const makeCertificate = names =>
			run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
				'-subj', '/CN=test', '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', certificate]).catch(error => ({ error }));
		const listen = async () => {
			const server = tls.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) }, socket => {
				const up = net.connect(site.daemon.port, '127.0.0.1');
				socket.on('error', () => up.destroy());
				up.on('error', () => socket.destroy());
				socket.pipe(up).pipe(socket);
			});
			server.on('tlsClientError', () => {});
			await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
			return server;
		};
		const made = await makeCertificate('DNS:elsewhere.example');
		if (made.error || made.code !== 0) return t.skip('no openssl here to make a certificate with');
		let server = await listen();
		await refused(UNREACHABLE, /TLS: .*(does not match|unexpected)/i, '--url', `https://127.0.0.1:${server.address().port}`, '--ca', certificate, 'services');
		server.close();
		await makeCertificate('DNS:localhost,IP:127.0.0.1');
		server = await listen();
		const { port } = server.address();
		try {
			await refused(UNREACHABLE, /TLS: .*(not trusted|issuer is unknown)/i, '--url', `https://127.0.0.1:${port}`, 'services');
			await refused(UNREACHABLE, /no certificates|no such file|while reading/i, '--url', `https://localhost:${port}`, '--ca', '/none', 'services');
			for (const host of ['localhost', '127.0.0.1']) {
				const made = (await ok('--url', `https://${host}:${port}`, '--ca', certificate, 'create', 'tls')).json;
				assert.equal(made.revision, 1);
			}
			const watch = new Ctl(site.daemon, ['--url', `https://localhost:${port}`, '--ca', certificate, 'watch', 'tls', '--count', 1]);
			await watch.says('watching');
			await ok('create', 'tls', '--id', 'seen', `{"large":"${'x'.repeat(40000)}"}`);
			assert.equal((await watch.finish()).code, DONE);
			assert.equal(watch.lines[0].payload.documentId, 'seen');
		} finally {
			server.close();
		}
	});
});
