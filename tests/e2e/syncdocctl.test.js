// syncdocctl.test.js: the verbs against a running server: what they do, print, and come back with.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { Daemon, assertStatus, collectionPath, documentPath, isAlive, makeDirectory, startPair, until } from './harness.js';
import { Ctl, SYNCDOCCTL, ctl } from './lib/ctl.js';
import { run } from './lib/process.js';

const DONE = 0, FAILED = 1, USAGE = 2, NOT_FOUND = 3, CONFLICT = 4, UNREACHABLE = 5, FORBIDDEN = 6, UNAVAILABLE = 7;

let pair, daemon, directory;
before(async () => {
	pair = await startPair({ settings: { workers: 2, 'ws.rate': 100000, 'ws.burst': 100000 }, socket: true });
	({ daemon } = pair);
	directory = makeDirectory('ctl');
});
after(() => pair?.stop());

const call = (...args) => ctl(daemon, args);
async function ok(...args) {
	const end = await call(...args);
	assert.equal(end.code, DONE, `${args.join(' ')}: ${end.stderr}`);
	assert.equal(end.stderr, '', args.join(' '));
	return end;
}
async function refused(code, pattern, ...args) {
	const end = await call(...args);
	assert.equal(end.code, code, `${args.join(' ')}: ${end.stdout}${end.stderr}`);
	assert.match(end.stderr, pattern, args.join(' '));
	assert.equal(end.stdout, '', args.join(' '));
	return end;
}

describe('one document', () => {
	test('from create to restore, each answer is the envelope', async () => {
		assert.equal((await ok('create', 'doc', '--id', 'a', '{"n":1}')).json.revision, 1);
		assert.deepEqual((await ok('replace', 'doc', 'a', '{"n":2,"x":true}')).json.data, { n: 2, x: true });
		assert.deepEqual((await ok('merge', 'doc', 'a', '{"x":null,"y":[1]}')).json.data, { n: 2, y: [1] });
		const ops = '[{"op":"test","path":"/n","value":2},{"op":"add","path":"/y/-","value":"z"}]';
		assert.deepEqual((await ok('patch', 'doc', 'a', ops)).json.data, { n: 2, y: [1, 'z'] });
		assert.equal((await ok('get', 'doc', 'a')).json.revision, 4);
		assert.deepEqual((await ok('get', 'doc', 'a', '--revision', 2)).json.data, { n: 2, x: true });
		assert.equal((await ok('delete', 'doc', 'a')).json.deleted, true);
		await refused(NOT_FOUND, /410 document_deleted/, 'get', 'doc', 'a');
		assert.equal((await ok('get', 'doc', 'a', '--deleted')).json.revision, 5);
		const restored = (await ok('restore', 'doc', 'a', 1)).json;
		assert.deepEqual([restored.revision, restored.data], [6, { n: 1 }]);
		assert.deepEqual((await daemon.rest.get(documentPath('doc', 'a'))).json, restored);
	});

	test('what is sent is what is stored, to the last digit', async () => {
		const data = '{"big":9007199254740993,"one":1.0,"e":1E2,"s":"\\u00e4ä\\ud83d\\ude00","deep":[[[]],{}]}';
		for (const [name, args, input] of [
			['inline', [data]],
			['file', ['@' + path.join(directory, 'data.json')]],
			['stdin', ['-'], `\n ${data} \n`],
		]) {
			fs.writeFileSync(path.join(directory, 'data.json'), `\t${data}\n`);
			const end = await ctl(daemon, ['replace', 'exact', name, ...args], { input });
			assert.equal(end.code, DONE, end.stderr);
			assert.ok(end.stdout.includes(`"data":${data}`), end.stdout);
		}
	});

	test('create without data or id makes an empty one; a ttl is set, kept and taken away', async () => {
		const made = (await ok('create', 'doc')).json;
		assert.deepEqual(made.data, {});
		assert.match(made.id, /^doc_[0-9a-z]{12}$/);
		const timed = (await ok('create', 'doc', '{}', '--ttl', 60)).json;
		assert.equal(timed.expiresAt - timed.updatedAt, 60000);
		assert.equal((await ok('merge', 'doc', timed.id, '{}')).json.expiresAt, timed.expiresAt);
		assert.equal((await ok('merge', 'doc', timed.id, '{}', '--ttl', 'never')).json.expiresAt, undefined);
	});

	test('an expected revision that does not hold is exit status 4, for every verb that takes one', async () => {
		await ok('create', 'doc', '--id', 'c', '{"n":1}');
		await ok('merge', 'doc', 'c', '{"n":2}', '--expected-revision', 1);
		const ops = '[{"op":"replace","path":"/n","value":3}]';
		for (const args of [
			['replace', 'doc', 'c', '{}'],
			['merge', 'doc', 'c', '{}'],
			['patch', 'doc', 'c', ops],
			['delete', 'doc', 'c'],
			['restore', 'doc', 'c', 1],
		])
			await refused(CONFLICT, /revision 2/, ...args, '--expected-revision', 1);
		assert.deepEqual((await ok('get', 'doc', 'c')).json.data, { n: 2 }, 'nothing was changed');
		assert.equal((await ok('patch', 'doc', 'c', ops, '--expected-revision', 2)).json.revision, 3);
		await refused(CONFLICT, /409 patch_test_failed/, 'patch', 'doc', 'c', '[{"op":"test","path":"/n","value":9}]');
		await refused(CONFLICT, /409 document_exists/, 'create', 'doc', '--id', 'c');
		await refused(CONFLICT, /409/, 'replace', 'doc', 'c', '{}', '--expected-revision', 0);
	});

	test('unknown ones are exit status 3; names are escaped, and judged by the server', async () => {
		for (const args of [['get'], ['delete'], ['history']]) await refused(NOT_FOUND, /404/, ...args, 'doc', 'none');
		await refused(NOT_FOUND, /404/, 'merge', 'doc', 'none', '{}');
		await refused(FAILED, /400 invalid_id/, 'get', 'doc', 'a/../../b?c=d#e');
		await refused(FAILED, /400 invalid_service/, 'get', 'd c', 'x');
		await refused(FAILED, /422 data_not_object/, 'create', 'doc', '[1]');
	});

	test('with --json whatever it says on stderr is JSON, one object a line', async () => {
		for (const [code, pattern, ...args] of [
			[USAGE, /unknown verb "nonsense"/, 'nonsense', '--json'],
			[USAGE, /no verb given/, '--json'],
			[USAGE, /get needs SERVICE ID/, '--json', 'get', 'session'],
			[USAGE, /unknown option --bogus/, 'get', 'session', 'x', '--bogus', '--json'],
			[USAGE, /--limit: must be/, '--json', 'list', 'session', '--limit', '0'],
			[USAGE, /JSON: text ends too early/, 'create', 'session', '{"a":', '--json'],
			[USAGE, /WORKER must be a number/, 'drain', 'x\u001b', '--json'],
			[UNREACHABLE, /cannot reach/, 'services', '--url', 'unix:/nowhere', '--json'],
			[UNREACHABLE, /control socket \/nowhere/, 'status', '--socket', '/nowhere', '--json'],
		]) {
			const end = await call(...args);
			assert.equal(end.code, code, end.stderr);
			assert.equal(end.stdout, '');
			assert.match(JSON.parse(end.stderr).detail, pattern);
		}
	});

	test('--json puts the server\'s problem on stderr as it is', async () => {
		const end = await call('get', 'doc', 'none', '--json');
		assert.equal(end.code, NOT_FOUND);
		assert.equal(JSON.parse(end.stderr).code, 'document_not_found');
	});
});

describe('what is typed', () => {
	test('JSON that is none is refused before it is sent, with its place', async () => {
		await refused(USAGE, /at byte 1$/m, 'create', 'doc', '{a:1}');
		await refused(USAGE, /JSON: .* at byte 0; a file is given as @FILE/, 'create', 'doc', 'data.json');
		await refused(USAGE, /no-such\.json: No such file/, 'create', 'doc', '@no-such.json');
		await refused(USAGE, /at byte/, 'create', 'doc', '{"a":1},"ttl":5');
		await refused(USAGE, /duplicate/, 'create', 'doc', '{"a":1,"a":2}');
		const end = await ctl(daemon, ['create', 'doc', '-'], { input: '' });
		assert.equal(end.code, USAGE);
		assert.match(end.stderr, /standard input/);
	});

	test('mistakes are told with what was meant, exit status 2', async () => {
		await refused(USAGE, /unknown verb "staus"; did you mean status\?/, 'staus');
		await refused(USAGE, /did you mean --revision\?.*try syncdocctl get --help/, 'get', 'a', 'b', '--revison', 1);
		await refused(USAGE, /get needs SERVICE ID/, 'get', 'a');
		await refused(USAGE, /no verb given/);
		await refused(USAGE, /--url ftp:/, '--url', 'ftp://x', 'services');
		await refused(USAGE, /restore: REVISION/, 'restore', 'a', 'b', 'x');
		await refused(USAGE, /--since needs the ID/, 'watch', 'a', '--since', 3);
		await refused(USAGE, /--after is for topics/, 'watch', 'a', 'b', '--after', 'x');
		await refused(USAGE, /a topic is/, 'watch', 'sync.x');
		await refused(USAGE, /drain: WORKER/, 'drain', 'one');
	});

	test('--help of every verb and --version work without a server', async () => {
		const help = await ctl(null, ['--help']);
		assert.equal(help.code, DONE);
		const verbs = [...help.stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(match => match[1]);
		assert.ok(verbs.length >= 19, verbs.join());
		for (const verb of 'get create replace merge patch delete restore list history watch presence status top bench drain loglevel'.split(' '))
			assert.ok(verbs.includes(verb), verb);
		for (const verb of verbs) {
			const one = await ctl(null, [verb, '--help']);
			assert.equal(one.code, DONE);
			assert.ok(one.stdout.startsWith(`Usage: syncdocctl ${verb}`), one.stdout);
			assert.equal((await ctl(null, ['help', verb])).stdout, one.stdout);
			for (const line of one.stdout.split('\n')) assert.ok(line.length <= 130, line);
		}
		assert.match((await ctl(null, ['--version'])).stdout, /^syncdocctl \d+\.\d+\.\d+\n$/);
	});
});

describe('lists', () => {
	const COUNT = 1003; // more than a page
	before(async () => {
		const jobs = [];
		for (let i = 0; i < COUNT; i++)
			jobs.push(daemon.rest.put(documentPath('many', `m-${String(i).padStart(4, '0')}`), { data: { i } }));
		for (const answer of await Promise.all(jobs)) assertStatus(answer, 201);
		await daemon.rest.delete(documentPath('many', 'm-0007'));
	});

	test('are read page by page up to the limit', async () => {
		const all = await ok('list', 'many', '--order', 'id', '--limit', 'all', '--json');
		assert.equal(all.lines.length, COUNT - 1);
		assert.equal(new Set(all.lines.map(item => item.id)).size, COUNT - 1);
		const few = await call('list', 'many', '--limit', 5, '--order=id');
		assert.match(few.stdout, /^ID +REVISION +UPDATED +EXPIRES\n(m-000\d +1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n){5}$/);
		assert.match(few.stderr, /there are more: --limit all/);
		const fewJson = await call('list', 'many', '--limit', '3', '--json');
		assert.match(JSON.parse(fewJson.stderr).note, /there are more/);
		assert.equal((await call('list', 'many', '--json')).lines.length, 100);
		const one = await ok('list', 'many', '--prefix', 'm-0012', '--data');
		assert.deepEqual(one.lines.map(item => item.data), [{ i: 12 }]);
		const deleted = await ok('list', 'many', '--prefix', 'm-0007', '--deleted');
		assert.match(deleted.stdout, /m-0007 .* deleted\n/);
		assert.match((await ok('services')).stdout, new RegExp(`^many +${COUNT - 1}$`, 'm'));
		assert.match((await ok('list', 'nobody')).stdout, /^ID +REVISION/);
	});

	test('history says what was done and what changed', async () => {
		await ok('create', 'doc', '--id', 'h', '{"a":1,"b":2}');
		await ok('replace', 'doc', 'h', '{"b":3,"c":{}}');
		await ok('delete', 'doc', 'h');
		const table = (await ok('history', 'doc', 'h')).stdout.split('\n');
		assert.match(table[1], /^ +3 +\S+ \S+ +delete$/);
		assert.match(table[2], /^ +2 .* replace +\+c -a ~b$/);
		assert.match(table[3], /^ +1 .* create +\+a \+b$/);
		const json = (await ok('history', 'doc', 'h', '--json', '--limit', 'all')).lines;
		assert.deepEqual(json.map(entry => [entry.revision, entry.op]), [[3, 'delete'], [2, 'replace'], [1, 'create']]);
	});

	test('presence shows who is there; nothing of a member steers the terminal', async () => {
		const put = (member, data) =>
			daemon.rest.put(`${documentPath('doc', 'p')}/presence/${member}`, { mode: 'editing', ttl: 60, data });
		await put('ann', { name: 'Änn\u009b2J' });
		const { stdout } = await ok('presence', 'doc', 'p');
		assert.match(stdout, /^ann +ann +editing +\S+ \S+ +\{"name":"Änn\\u009b2J"\}$/m);
		assert.deepEqual((await ok('presence', 'doc', 'p', '--json')).json.userId, 'ann');
	});
});

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
		const file = path.join(directory, 'token');
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
		await refused(UNREACHABLE, /No such file/, '--url', `unix:${directory}/none`, 'services');
		await refused(UNREACHABLE, /control socket .*is syncdocd running/, '--socket', `${directory}/none`, 'status');
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
		assert.equal((await ok('--url', `unix:${daemon.socket}`, 'create', 'unix', '--id', 'u')).json.id, 'u');
		assert.equal((await ok('get', 'unix', 'u')).json.id, 'u');
	});

	test('https: with a certificate that is trusted by --ca, and not without it', async t => {
		const key = path.join(directory, 'key.pem'), certificate = path.join(directory, 'cert.pem');
		const makeCertificate = names =>
			run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
				'-subj', '/CN=test', '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', certificate]).catch(error => ({ error }));
		const listen = async () => {
			const server = tls.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) }, socket => {
				const up = net.connect(daemon.port, '127.0.0.1');
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
			const watch = new Ctl(daemon, ['--url', `https://localhost:${port}`, '--ca', certificate, 'watch', 'tls', '--count', 1]);
			await watch.says('watching');
			await ok('create', 'tls', '--id', 'seen', `{"large":"${'x'.repeat(40000)}"}`);
			assert.equal((await watch.finish()).code, DONE);
			assert.equal(watch.lines[0].payload.documentId, 'seen');
		} finally {
			server.close();
		}
	});
});

describe('the daemon', () => {
	test('status for people and as JSON', async () => {
		const { stdout } = await ok('status');
		assert.match(stdout, new RegExp(`^syncdocd \\S+ on \\S+, pid ${daemon.pid}, running for `));
		assert.match(stdout, /^redis +unix:\/\/\S+, ready, subscription ready/m);
		assert.match(stdout, /^position +[0-9a-f]{8}-\d+, \d+ m?s ago$/m);
		for (const worker of daemon.workers()) assert.match(stdout, new RegExp(`^ +\\d +${worker.pid} +\\d+ +\\d+ +serving `, 'm'));
		assert.equal((await ok('status', '--json')).json.pid, daemon.pid);
	});

	test('top shows what happens, per worker and together', async () => {
		const writer = setInterval(() => daemon.rest.put(documentPath('top', 'x'), { data: {} }).catch(() => {}), 5);
		// Of an interval in which the machine let somebody write.
		const json = await until(async () => {
			const one = (await ok('top', '--once', '--json', '--interval', '0.5')).json;
			return one.total.writesPerSecond > 0 && one;
		});
		const table = await ok('top', '--once', '--interval', '0.3');
		// Workers look at their processor time once a second.
		const busy = await until(async () => {
			const { total } = (await ok('top', '--once', '--json', '--interval', '1')).json;
			return total.cpuPercent > 0 && total;
		});
		clearInterval(writer);
		assert.ok(busy.cpuPercent < 1000, String(busy.cpuPercent));
		assert.ok(json.intervalMs >= 400, JSON.stringify(json.total));
		assert.equal(json.workers.length, 2);
		for (const worker of json.workers) assert.ok('writes_total' in worker.counters);
		const sum = json.workers.reduce((total, worker) => total + worker.writesPerSecond, 0);
		assert.ok(Math.abs(sum - json.total.writesPerSecond) < 1);
		assert.match(table.stdout, /^WORKER +PID +CONNS +SUBS +CPU % +REQ\/S .* WRITE\/S .* RING LAG$/m);
		assert.match(table.stdout, /^all +\d+ /m);
		assert.equal((await ok('top', '--json', '--interval', '0.1', '--count', 3)).lines.length, 3);
	});

	test('loglevel, reload, drain', async () => {
		assert.equal((await ok('loglevel')).stdout, 'info\n');
		assert.equal((await ok('loglevel', 'debug')).stdout, 'debug\n');
		assert.deepEqual((await ok('loglevel', 'info', '--json')).json, { level: 'info', former: 'debug' });
		await refused(USAGE, /must be error, warning/, 'loglevel', 'loud');
		const { generation } = (await ok('status', '--json')).json;
		assert.match((await ok('reload')).stdout, new RegExp(`^generation ${generation + 1} serves`));
		fs.writeFileSync(daemon.configFile, 'nonsense\n');
		await refused(FAILED, /syncdocd\.conf:1/, 'reload');
		fs.writeFileSync(daemon.configFile, '');
		const victim = (await ok('status', '--json')).json.workers.find(worker => worker.index === 1 && !worker.draining);
		assert.match((await ok('drain', 1, '--wait')).stdout, new RegExp(`process ${victim.pid} has drained and ended`));
		assert.equal(isAlive(victim.pid), false);
		await refused(NOT_FOUND, /numbered 0 to 1/, 'drain', 2);
	});
});

describe('another daemon', () => {
	test('drain all --wait returns when it has ended; then it is not reachable', async () => {
		const short = await Daemon.start({ redis: pair.redis, settings: { workers: 2 } });
		const drained = await ctl(short, ['drain', 'all', '--wait']);
		assert.deepEqual([drained.code, drained.stdout], [DONE, 'ended\n'], drained.stderr);
		const end = await short.process.waitForExit();
		assert.equal(end.code, 0);
		assert.equal((await ctl(short, ['status'])).code, UNREACHABLE);
		await short.stop();
	});

	test('of another user: exit status 6, whether the file or the daemon refuses', async t => {
		if (process.getuid() !== 0) return t.skip('not root: no other user to be');
		const place = makeDirectory('ctl-user');
		const stateDir = path.join(place, 'state');
		fs.mkdirSync(stateDir);
		fs.chmodSync(place, 0o755);
		// A build under a home directory cannot be run by others; a copy can.
		const program = path.join(place, 'syncdocctl');
		fs.copyFileSync(SYNCDOCCTL, program);
		const other = await Daemon.start({ redis: pair.redis, directory: place });
		try {
			fs.chmodSync(stateDir, 0o755);
			const socket = path.join(stateDir, 'control.sock');
			const asNobody = () => run(program, ['--socket', socket, 'status'], { uid: 65534, gid: 65534, cwd: '/' });
			const byFile = await asNobody();
			assert.equal(byFile.code, FORBIDDEN, byFile.stderr);
			assert.match(byFile.stderr, /Permission denied; it is for root and the daemon's own user/);
			fs.chmodSync(socket, 0o777);
			const byDaemon = await asNobody();
			assert.equal(byDaemon.code, FORBIDDEN, byDaemon.stderr);
			assert.match(byDaemon.stderr, /only root and the daemon's own user/);
		} finally {
			await other.stop();
		}
	});
});

describe('bench', () => {
	const small = ['--seconds', '0.4', '--connections', 4, '--subscribers', 10, '--size', 1024];

	test('measures writes, reads and fan-out, loses no delivery, and takes its documents away', async () => {
		const parts = (await ok('bench', ...small, '--seconds', 2, '--json')).lines;
		assert.deepEqual(parts.map(part => part.part), ['writes', 'reads', 'fan-out']);
		for (const part of parts) {
			assert.ok(part.count > 0 && part.errors === 0 && part.perSecond > 0, JSON.stringify(part));
			const { p50, p90, p99, max } = part.latencyMs;
			assert.ok(p50 > 0 && p50 <= p90 && p90 <= p99 && p99 <= max, JSON.stringify(part));
		}
		const fanout = parts[2];
		assert.equal(fanout.subscribers, 10);
		assert.equal(fanout.expected, fanout.writes * 10);
		assert.equal(fanout.count, fanout.expected);
		assert.deepEqual(assertStatus(await daemon.rest.get(collectionPath('syncdocctl-bench')), 200).items, []);
		const deleted = (await ok('list', 'syncdocctl-bench', '--deleted', '--json')).lines;
		assert.equal(deleted.length, 4);
		for (const item of deleted) assert.ok(item.expiresAt === undefined || item.deleted);
	});

	test('one part alone, at a rate, as a table', async () => {
		const { stdout } = await ok('bench', ...small, '--only', 'writes', '--rate', 50, '--service', 'other');
		const [, count] = /^writes +(\d+) +0 /m.exec(stdout);
		assert.ok(Number(count) >= 1 && Number(count) <= 21, stdout); // 20, or fewer on a machine that stood still
		assert.doesNotMatch(stdout, /reads|fan-out/);
		const documents = (await ok('list', 'other', '--deleted', '--data')).lines;
		assert.equal(documents.length, 4);
		for (const { data } of documents) assert.equal(JSON.stringify(data).length, 1024);
	});

	test('Ctrl-C ends it early, with what was measured, and cleans up', async () => {
		const bench = new Ctl(daemon, ['bench', '--only', 'writes', '--seconds', 600, '--connections', 4, '--service', 'stopped', '--json']);
		const living = async () => (await daemon.rest.get(collectionPath('stopped'))).json.items;
		await until(async () => (await living()).some(item => item.revision > 3), undefined, 'it writes');
		bench.kill('SIGINT');
		const end = await bench.finish();
		assert.equal(end.code, DONE, bench.stderr);
		assert.ok(bench.lines[0].count > 0);
		assert.deepEqual(await living(), []);
	});

	test('of what refuses or is not there fails', async () => {
		await refused(FAILED, /400 invalid_service/, 'bench', ...small, '--service', 'no good');
		await refused(UNREACHABLE, /cannot reach/, '--url', 'http://127.0.0.1:1', 'bench', ...small);
	});
});

