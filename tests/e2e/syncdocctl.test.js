// syncdocctl.test.js: the verbs for documents against a running server: what they do, print, and come back with.
// Other servers: syncdocctl_servers.test.js; the verbs for the daemon: syncdocctl_daemon.test.js.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { assertStatus, collectionPath, documentPath, until } from './harness.js';
import { Ctl, EXIT, ctl, useCtl } from './lib/ctl.js';

const { DONE, FAILED, USAGE, NOT_FOUND, CONFLICT, UNREACHABLE } = EXIT;

const site = useCtl();
const { call, ok, refused } = site;

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
		assert.deepEqual((await site.daemon.rest.get(documentPath('doc', 'a'))).json, restored);
	});

	test('what is sent is what is stored, to the last digit', async () => {
		const data = '{"big":9007199254740993,"one":1.0,"e":1E2,"s":"\\u00e4ä\\ud83d\\ude00","deep":[[[]],{}]}';
		for (const [name, args, input] of [
			['inline', [data]],
			['file', ['@' + path.join(site.directory, 'data.json')]],
			['stdin', ['-'], `\n ${data} \n`],
		]) {
			fs.writeFileSync(path.join(site.directory, 'data.json'), `\t${data}\n`);
			const end = await ctl(site.daemon, ['replace', 'exact', name, ...args], { input });
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

	test('--json that is the value of another option asks for none', async () => {
		await refused(NOT_FOUND, /^syncdocctl: .*404/, 'get', 'doc', 'none', '--token', '--json');
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
		const end = await ctl(site.daemon, ['create', 'doc', '-'], { input: '' });
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
			jobs.push(site.daemon.rest.put(documentPath('many', `m-${String(i).padStart(4, '0')}`), { data: { i } }));
		for (const answer of await Promise.all(jobs)) assertStatus(answer, 201);
		await site.daemon.rest.delete(documentPath('many', 'm-0007'));
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
			site.daemon.rest.put(`${documentPath('doc', 'p')}/presence/${member}`, { mode: 'editing', ttl: 60, data });
		await put('ann', { name: 'Änn\u009b2J' });
		const { stdout } = await ok('presence', 'doc', 'p');
		assert.match(stdout, /^ann +ann +editing +\S+ \S+ +\{"name":"Änn\\u009b2J"\}$/m);
		assert.deepEqual((await ok('presence', 'doc', 'p', '--json')).json.userId, 'ann');
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
		assert.deepEqual(assertStatus(await site.daemon.rest.get(collectionPath('syncdocctl-bench')), 200).items, []);
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
		const bench = new Ctl(site.daemon, ['bench', '--only', 'writes', '--seconds', 600, '--connections', 4, '--service', 'stopped', '--json']);
		const living = async () => (await site.daemon.rest.get(collectionPath('stopped'))).json.items;
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
