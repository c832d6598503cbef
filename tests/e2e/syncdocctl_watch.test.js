// syncdocctl_watch.test.js: watch and presence --watch: what is printed, and that nothing is lost or comes twice when the
// connection is.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { Daemon, Process, assertStatus, documentPath, sanitizerEnvironment, startPair, turn, until } from './harness.js';
import { controlPath } from './lib/control.js';
import { Ctl, EXIT, SYNCDOCCTL, ctl } from './lib/ctl.js';

const { DONE, FAILED, NOT_FOUND, UNREACHABLE, FORBIDDEN } = EXIT;

let pair, daemon;
before(async () => {
	pair = await startPair({ settings: { workers: 2, drain_rate: 1000, 'history.max': 400 } });
	({ daemon } = pair);
});
after(() => pair?.stop());

const write = async (id, n, rest = daemon.rest) => {
	const answer = await rest.put(documentPath('watch', id), { data: { n } });
	assert.ok(answer.status < 300, answer.text);
	return answer.json;
};
const remove = async id => assertStatus(await daemon.rest.delete(documentPath('watch', id)), 200);
async function watch(...args) {
	const child = new Ctl(daemon, ['watch', ...args]);
	await child.says('watching');
	return child;
}
async function stop(child) {
	child.kill('SIGTERM');
	await child.waitForExit();
}
const revisions = lines => lines.filter(line => line.type === 'event').map(line => `${line.payload.documentId}@${line.payload.revision}`);

describe('in a pipe', () => {
	test('events are lines of JSON as the server sends them; --count ends it', async () => {
		const child = await watch('watch', '--count', 3);
		await write('a', 1);
		await write('a', 2);
		await remove('a');
		assert.equal((await child.finish()).code, DONE);
		assert.deepEqual(child.lines.map(line => line.topic), ['sync.watch.created', 'sync.watch.updated', 'sync.watch.deleted']);
		assert.deepEqual(child.lines[1].payload.data, { n: 2 });
		assert.deepEqual(child.lines[1].payload.diff.changed, { n: { from: 1, to: 2 } });
	});

	test('--mode, --prefix, a topic and an id narrow it', async () => {
		const diffs = await watch('sync.watch.updated', '--mode', 'diff', '--prefix', 'p-', '--count', 1);
		const one = await watch('watch', 'q-1', '--mode', 'full', '--count', 1);
		await write('p-1', 1);
		await write('q-1', 1);
		await write('p-1', 2);
		await diffs.finish();
		await one.finish();
		assert.deepEqual(revisions(diffs.lines), ['p-1@2']);
		assert.equal(diffs.lines[0].payload.data, undefined);
		assert.deepEqual(revisions(one.lines), ['q-1@1']);
		assert.equal(one.lines[0].payload.diff, undefined);
	});

	test('--snapshot first says how it is; --since and --after what was missed', async () => {
		for (let n = 1; n <= 5; n++) await write('s', n);
		const snapshot = await watch('watch', 's', '--snapshot', '--count', 1);
		await until(() => snapshot.lines.length === 1);
		assert.deepEqual([snapshot.lines[0].type, snapshot.lines[0].document.revision], ['subscribed', 5]);
		const { revision } = await write('s', 6);
		await snapshot.finish();
		assert.equal(snapshot.lines[1].payload.revision, revision);

		const since = await ctl(daemon, ['watch', 'watch', 's', '--since', 3, '--count', 3]);
		assert.deepEqual(revisions(since.lines), ['s@4', 's@5', 's@6']);
		assert.equal((await ctl(daemon, ['watch', 'watch', 'nobody', '--since', 3])).code, NOT_FOUND);

		const { position } = snapshot.lines[1];
		await write('s', 7);
		await write('t', 1);
		const behind = await watch('watch', '--after', position);
		// Some that came shortly before may be told again.
		await until(() => ['s@7', 't@1'].every(wanted => revisions(behind.lines).includes(wanted)));
		await stop(behind);
		const refused = await ctl(daemon, ['watch', 'watch', '--after', 'nonsense']);
		assert.equal(refused.code, FAILED);
		assert.match(refused.stderr, /400 invalid_position/);
	});

	test('presence --watch: who is there, then who comes and goes', async () => {
		const path = `${documentPath('watch', 'room')}/presence/`;
		assertStatus(await daemon.rest.put(`${path}ann`, { mode: 'viewing', ttl: 60 }), 201);
		const child = new Ctl(daemon, ['presence', 'watch', 'room', '--watch', '--json']);
		await child.says('watching');
		assertStatus(await daemon.rest.put(`${path}bob`, { mode: 'editing', ttl: 60 }), 201);
		const joined = () => child.lines.slice(1).flatMap(line => line.payload.joined.map(member => member.userId));
		await until(() => joined().includes('bob'));
		await stop(child);
		assert.equal(child.lines[0].userId, 'ann');
	});

	test('it ends when nobody reads any more', async () => {
		const child = await watch('watch');
		child.child.stdout.destroy();
		await until(async () => {
			await write('unread', 1);
			return child.end;
		});
		assert.ok(child.end.signal === 'SIGPIPE' || child.end.code === FAILED, JSON.stringify(child.end));
	});
});

describe('a lost connection', () => {
	// Writes without a break while `disturb` is at work; then all revisions must have been printed, in order, once.
	async function nothingLost(of, args, disturb) {
		const child = new Ctl(of, ['watch', ...args]);
		await child.says('watching');
		let going = true, last = 0;
		const writer = (async () => {
			const rest = of.client({ keepAlive: false });
			while (going) {
				try {
					const answer = await rest.put(documentPath('steady', 'doc'), { data: { n: last } });
					if (answer.status < 300) last = answer.json.revision;
				} catch {
					// it is down just now
				}
				// Slow enough that what is missed in the longest pause is still in the history.
				await turn(40);
			}
		})();
		await until(() => revisions(child.lines).length > 3);
		await disturb(child);
		const reached = last;
		await until(() => last > reached + 3, undefined, 'writes go on');
		going = false;
		await writer;
		await until(() => revisions(child.lines).includes(`doc@${last}`), undefined, () => `revision ${last}; ${child.stderr}; ${child.stdout.slice(-600)}`);
		await stop(child);
		const seen = child.lines.filter(line => line.type === 'event').map(line => line.payload.revision);
		assert.deepEqual(seen, Array.from({ length: last - seen[0] + 1 }, (_, i) => seen[0] + i), child.stderr);
		return child;
	}

	test('by a reload: goaway, and on with the new workers', async () => {
		for (const args of [['steady'], ['steady', 'doc']]) {
			const child = await nothingLost(daemon, args, async watching => {
				assert.equal((await ctl(daemon, ['reload'])).code, DONE);
				await watching.says('watching again');
			});
			assert.match(child.stderr, /the server is restarting/);
		}
	});

	test('by kill -9 of the daemon, which is started again', async () => {
		const settings = { 'history.max': 400 };
		for (const args of [['steady'], ['steady', 'doc', '--mode', 'diff']]) {
			let first = await Daemon.start({ redis: pair.redis, settings });
			let second;
			try {
				const child = await nothingLost(first, args, async watching => {
					await first.process.kill9();
					second = await Daemon.start({ redis: pair.redis, port: first.port, directory: first.directory, settings });
					await watching.says('watching again');
				});
				assert.match(child.stderr, /the connection is lost|has closed the connection/);
			} finally {
				await second?.stop();
				first.process.kill('SIGKILL');
			}
		}
	});

	test('that never was is exit status 5', async () => {
		const end = await ctl(null, ['--url', 'http://127.0.0.1:1', 'watch', 'x']);
		assert.equal(end.code, UNREACHABLE);
		assert.match(end.stderr, /cannot reach .*Connection refused/);
	});
});

describe('servers that misbehave', () => {
	// A WebSocket server of the test; `serve(socket, subscribe)` is called with each subscribe message.
	async function fake(serve) {
		const server = http.createServer((request, response) => response.writeHead(404).end());
		const sockets = new WebSocketServer({ server, path: '/v1/realtime', perMessageDeflate: false });
		const subscribes = [];
		sockets.on('connection', socket => {
			socket.on('error', () => {});
			socket.send(JSON.stringify({ type: 'welcome', pingInterval: 25000 }));
			socket.on('message', data => {
				const message = JSON.parse(data);
				subscribes.push(message);
				serve(socket, message, subscribes.length);
			});
		});
		await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
		return {
			url: `http://127.0.0.1:${server.address().port}`,
			subscribes,
			close() {
				for (const socket of sockets.clients) socket.terminate();
				server.close();
			},
		};
	}
	const subscribed = JSON.stringify({ type: 'subscribed', outcome: 'live', position: 'aaaaaaaa-1' });
	const event = (revision, extra = {}) =>
		JSON.stringify({
			type: 'event', topic: 'sync.x.updated', source: 'sync', timestamp: 1000 + revision, position: `aaaaaaaa-${revision}`,
			payload: { service: 'x', documentId: 'd', revision, data: {} }, ...extra,
		});

	test('fragments and pings in between are put together', async () => {
		const server = await fake(socket => {
			socket.send(subscribed);
			const text = event(1);
			socket.send(text.slice(0, 10), { fin: false });
			socket.ping('x');
			socket.send(text.slice(10, 20), { fin: false });
			socket.send(text.slice(20), { fin: true });
		});
		const end = await ctl(null, ['--url', server.url, 'watch', 'x', '--count', 1]);
		server.close();
		assert.equal(end.code, DONE, end.stderr);
		assert.equal(end.stdout, `${event(1)}\n`);
	});

	test('what is told again after a reconnect is printed once', async () => {
		const server = await fake((socket, message, count) => {
			socket.send(subscribed);
			for (let i = 1; i <= 2 + count; i++) socket.send(event(i));
			if (count === 1) setImmediate(() => socket.close(1012));
		});
		const end = await ctl(null, ['--url', server.url, 'watch', 'x', '--count', 4]);
		server.close();
		assert.deepEqual(revisions(end.lines), ['d@1', 'd@2', 'd@3', 'd@4']);
		assert.equal(server.subscribes[1].after, 'aaaaaaaa-3');
	});

	test('a resync for being too slow is asked for again, others are printed', async () => {
		const server = await fake((socket, message, count) => {
			socket.send(subscribed);
			if (count === 1) {
				socket.send(event(1));
				socket.send(JSON.stringify({ type: 'resync', topic: 'sync.x.*', reason: 'lapped' }));
			} else {
				socket.send(JSON.stringify({ type: 'resync', topic: 'sync.x.*', reason: 'failover' }));
				socket.send(event(2));
			}
		});
		const end = await ctl(null, ['--url', server.url, 'watch', 'x', '--count', 2]);
		server.close();
		assert.deepEqual(end.lines.map(line => line.reason ?? line.payload.revision), [1, 'failover', 2]);
		assert.equal(server.subscribes[1].after, 'aaaaaaaa-1');
	});

	test('closes that mean no are exit status 6', async () => {
		for (const [code, pattern] of [[4001, /token has expired/], [4003, /not allowed/]]) {
			const server = await fake(socket => {
				socket.send(subscribed);
				socket.close(code);
			});
			const end = await ctl(null, ['--url', server.url, 'watch', 'x']);
			server.close();
			assert.equal(end.code, FORBIDDEN);
			assert.match(end.stderr, pattern);
		}
	});

	test('errors and nonsense end it with what was said', async () => {
		for (const [answer, code, pattern] of [
			[JSON.stringify({ type: 'error', status: 403, code: 'forbidden', message: 'no right\u001b' }), FORBIDDEN, /no right\\u001b \(403 forbidden\)/],
			['no JSON', FAILED, /no syncdocd/],
			['[]', FAILED, /no syncdocd/],
		]) {
			const server = await fake(socket => socket.send(answer));
			const end = await ctl(null, ['--url', server.url, 'watch', 'x']);
			server.close();
			assert.equal(end.code, code, end.stderr);
			assert.match(end.stderr, pattern);
		}
		const server = await fake(() => {});
		const end = await ctl(null, ['--url', `${server.url}/elsewhere`, 'watch', 'x']);
		server.close();
		assert.equal(end.code, FAILED, end.stderr);
		assert.match(end.stderr, /answers with status 4\d\d/);
	});
});

describe('on a terminal', () => {
	// `script` gives it one; it is in every Debian.
	async function onTerminal(args, during) {
		const words = [SYNCDOCCTL, ...args].map(word => `'${word}'`).join(' ');
		const child = new Process('script', ['-qefc', words, '/dev/null'], {
			env: { ...sanitizerEnvironment, TERM: 'xterm', NO_COLOR: '', SYNCDOC_URL: daemon.url, SYNCDOC_SOCKET: controlPath(daemon) },
			stdio: ['pipe', 'pipe', 'pipe'],
		});
		try {
			await during?.(child);
			const end = await child.waitForExit();
			await child.closed;
			return { ...end, text: child.stdout.replaceAll('\r\n', '\n') };
		} finally {
			child.kill('SIGKILL');
		}
	}

	test('events are lines in colour, with what changed, and steer nothing', async t => {
		const seen = await onTerminal(['watch', 'watch', '--count', '2'], async child => {
			const there = await until(() => child.end || child.stdout.includes('watching')).catch(() => null);
			if (!there || child.end) return;
			await write('term', 'evil\u0085');
			await write('term', 'good');
		}).catch(error => ({ error }));
		if (seen.error?.code === 'ENOENT') return t.skip('no `script` here to make a terminal with');
		assert.match(seen.text, /\u001b\[32mcreated \u001b\[0m \u001b\[1mwatch\/term\u001b\[0m revision 1\n/);
		assert.match(seen.text, /\u001b\[32m {2}\+ n = "evil\\u0085"\u001b\[0m\n/);
		assert.match(seen.text, /\u001b\[33m {2}~ n: "evil\\u0085" -> "good"\u001b\[0m\n/);
	});

	test('documents are laid out; top takes the screen and gives it back at q', async t => {
		const { json } = await ctl(daemon, ['create', 'watch', '--id', 'laid', '{"a":[1]}']);
		const got = await onTerminal(['get', 'watch', 'laid']).catch(error => ({ error }));
		if (got.error?.code === 'ENOENT') return t.skip('no `script` here to make a terminal with');
		assert.ok(got.text.includes('  "data": {\n    "a": [\n      1\n    ]\n  }\n}'), got.text);
		assert.deepEqual(JSON.parse(got.text), json);
		const top = await onTerminal(['top', '--interval', '0.2'], async child => {
			await until(() => child.stdout.split('RING LAG').length > 3);
			child.child.stdin.write('q');
		});
		assert.equal(top.code, DONE);
		assert.ok(top.text.startsWith('\u001b[?1049h') && top.text.endsWith('\u001b[?1049l'), JSON.stringify(top.text.slice(-80)));
	});
});
