// metrics.test.js: /metrics as a scraper sees it: its form, what is counted, and that no counter goes back when processes
// come and go.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertStatus, documentPath, isAlive, scrape, startPair, until } from './harness.js';

const WORKERS = 2;

let pair;
const put = (id, data = { n: 1 }) => pair.rest.put(documentPath('m', id), { data });

// From another connection each time, and so from any of the workers.
async function look() {
	const rest = pair.daemon.client({ keepAlive: false });
	try {
		return await scrape(rest);
	} finally {
		rest.close();
	}
}

const untilValue = (name, labels, isIt) =>
	until(async () => isIt((await look()).value(name, labels)), undefined, `${name}${JSON.stringify(labels)}: ${isIt}`);

describe('/metrics', () => {
	before(async () => {
		pair = await startPair({ settings: { workers: WORKERS, drain_timeout: 20 } });
	});
	after(() => pair.stop());

	test('says its version and character set, and is all there is whatever Accept says', async () => {
		for (const accept of [undefined, 'text/plain', 'application/openmetrics-text;version=1.0.0', 'image/png']) {
			const answer = await pair.rest.get('/metrics', accept ? { Accept: accept } : {});
			assert.equal(answer.status, 200);
			assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
			assert.equal(answer.headers['cache-control'], 'no-store');
		}
		assertStatus(await pair.rest.post('/metrics'), 405);
		const head = await pair.rest.request('HEAD', '/metrics');
		assert.equal(head.status, 200);
		assert.equal(head.text, '');
	});

	test('every figure has help and type, counters end in _total, gauges do not', async () => {
		const { families } = await look();
		assert.ok(families.size > 100, `${families.size} figures`);
		for (const [name, family] of families) {
			assert.match(name, /^syncdoc_[a-z0-9_]+$/);
			assert.equal(name.endsWith('_total'), family.type === 'counter', `${name} is a ${family.type}`);
			for (const { labels } of family.samples)
				for (const key of Object.keys(labels))
					assert.ok(
						['worker', 'le', 'version', 'reason', 'result', 'connection', 'code'].includes(key),
						`${name}: ${key}`,
					);
		}
		assert.equal(families.get('syncdoc_build_info').samples[0].value, 1);
		assert.match(families.get('syncdoc_build_info').samples[0].labels.version, /^\d+\.\d+\.\d+/);
	});

	test('promtool finds no fault', async t => {
		const { text } = await look();
		const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
		if (promtool.error?.code === 'ENOENT') {
			t.skip('SKIPPED: promtool is not installed (Debian package prometheus)');
			return;
		}
		assert.equal(promtool.status, 0, `${promtool.stdout}${promtool.stderr}`);
		assert.equal(promtool.stdout + promtool.stderr, '');
	});

	test('what one worker counts every worker tells', async () => {
		const begun = (await look()).value('syncdoc_writes_total');
		for (let i = 0; i < 20; i++) assertStatus(await put(`told_${i}`), 201);
		// Counted in memory that all share, perhaps a moment behind the answer.
		await untilValue('syncdoc_writes_total', {}, value => value >= begun + 20);
		for (let i = 0; i < 8; i++) {
			const seen = await look();
			assert.equal(seen.value('syncdoc_writes_total'), begun + 20);
			assert.equal(seen.samples('syncdoc_writes_total').length, WORKERS);
			for (const { value } of seen.samples('syncdoc_worker_up')) assert.equal(value, 1);
		}
	});

	test('levels: connections, memory, descriptors, lag', async () => {
		const sockets = [await pair.daemon.connect(), await pair.daemon.connect(), await pair.daemon.connect()];
		await sockets[0].subscribe({ topic: 'sync.m.*' });
		await untilValue('syncdoc_connections', {}, value => value === 3);
		await untilValue('syncdoc_subscriptions', {}, value => value === 1);
		const seen = await look();
		assert.equal(seen.value('syncdoc_ring_size_bytes'), 4 << 20);
		assert.equal(seen.value('syncdoc_workers'), WORKERS);
		await untilValue('syncdoc_supervisor_resident_memory_bytes', {}, value => value > 1 << 20);
		for (let worker = 0; worker < WORKERS; worker++) {
			await untilValue('syncdoc_resident_memory_bytes', { worker }, value => value > 1 << 20);
			await untilValue('syncdoc_open_fds', { worker }, value => value > 5 && value < 1000);
			await untilValue('syncdoc_max_fds', { worker }, value => value > 100);
			await untilValue('syncdoc_cpu_seconds_total', { worker }, value => value > 0 && value < 1000);
			await untilValue('syncdoc_worker_heartbeat_age_seconds', { worker }, value => value < 10);
			await untilValue('syncdoc_ring_lag_bytes', { worker }, value => value === 0);
		}
		await untilValue('syncdoc_mark_age_seconds', {}, value => value < 10);
		for (const socket of sockets) socket.close();
		await untilValue('syncdoc_connections', {}, value => value === 0);
	});

	test('histograms: writes and deliveries, each once', async () => {
		const socket = await pair.daemon.connect();
		await socket.subscribe({ topic: 'sync.h.*' });
		const begun = await look();
		for (let i = 0; i < 10; i++)
			assertStatus(await pair.rest.put(documentPath('h', 'one'), { data: { i } }), i ? 200 : 201);
		for (let i = 0; i < 10; i++) await socket.next(message => message.payload?.revision === i + 1);
		for (const name of ['syncdoc_write_seconds', 'syncdoc_delivery_seconds'])
			await untilValue(`${name}_count`, {}, value => value >= begun.value(`${name}_count`) + 10);
		const seen = await look();
		for (const name of ['syncdoc_write_seconds', 'syncdoc_delivery_seconds']) {
			const grown = end => seen.value(`${name}_${end}`) - begun.value(`${name}_${end}`);
			assert.equal(grown('count'), 10, name);
			assert.ok(grown('sum') > 0 && grown('sum') < 600, `${name}: ${grown('sum')} s`);
			for (let worker = 0; worker < WORKERS; worker++) {
				const buckets = seen.samples(`${name}_bucket`).filter(({ labels }) => labels.worker === String(worker));
				const bounds = buckets.map(({ labels }) => Number(labels.le.replace('Inf', 'Infinity')));
				assert.deepEqual(bounds, bounds.toSorted?.((a, b) => a - b) ?? bounds);
				assert.equal(bounds.at(-1), Infinity);
				for (let i = 1; i < buckets.length; i++) assert.ok(buckets[i].value >= buckets[i - 1].value);
				assert.equal(buckets.at(-1).value, seen.value(`${name}_count`, { worker }));
			}
		}
		socket.close();
	});

	test('refusals are counted', async () => {
		const begun = await look();
		// As soon as it has grown: by so much, and no more.
		const grown = async (name, labels = {}) => {
			await untilValue(name, labels, value => value > begun.value(name, labels));
			return (await look()).value(name, labels) - begun.value(name, labels);
		};
		assertStatus(await put('refused'), 201);
		assertStatus(await pair.rest.put(documentPath('m', 'refused'), { data: {}, expectedRevision: 7 }), 409);
		assertStatus(await pair.rest.get('/nothing/here'), 404);
		assert.equal(await grown('syncdoc_write_conflicts_total'), 1);
		await untilValue('syncdoc_requests_4xx_total', {}, value => value >= begun.value('syncdoc_requests_4xx_total') + 2);
		assert.equal(await grown('syncdoc_requests_4xx_total'), 2);
		const refused = code => grown('syncdoc_refusals_total', { code });
		assert.equal(await refused('revision_conflict'), 1);
		assert.equal(await refused('not_found'), 1);
		const socket = await pair.daemon.connect();
		socket.send({ type: 'nonsense' });
		await socket.next(message => message.type === 'error');
		assert.equal(await refused('unknown_type'), 1);
		assert.equal((await look()).value('syncdoc_refusals_total', { code: 'other' }), begun.value('syncdoc_refusals_total', { code: 'other' }));
		socket.close();
	});

	test('every code that the sources refuse with has a counter of its own', () => {
		const sources = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
		const table = fs.readFileSync(path.join(sources, 'common/refusals.def'), 'utf8');
		const known = new Set([...table.matchAll(/^REFUSAL\((\w+)\)$/gm)].map(([, code]) => code));
		let found = 0;
		for (const name of fs.readdirSync(path.join(sources, 'workers')).filter(file => file.endsWith('.c'))) {
			const text = fs.readFileSync(path.join(sources, 'workers', name), 'utf8');
			const codes = [
				...text.matchAll(/refus(?:al|e)\((?:[^",;{}]|,)*?"([a-z]+(?:_[a-z]+)*)"\s*[,:]/g),
				...text.matchAll(/\{\s*4\d\d,\s*"([a-z_]+)"/g),
				...text.matchAll(/\?\s*"([a-z]+_[a-z_]+)"\s*:\s*"[a-z]+_[a-z_]+"/g),
			];
			for (const [, code] of codes) {
				assert.ok(known.has(code), `workers/${name}: add REFUSAL(${code}) to common/refusals.def, in order`);
				found++;
			}
		}
		assert.ok(found > 80, `${found} refusals in the sources`);
	});

	test('the supervisor: events, marks, what is no event, expiry, reloads', async () => {
		const begun = await look();
		const grown = (name, labels) => async () => (await look()).value(name, labels) > begun.value(name, labels);
		await pair.redis.command('PUBLISH', 'syncdoc:channel:m:junk', 'no event');
		assertStatus(await pair.rest.put(documentPath('m', 'short'), { data: {}, ttl: 1 }), 201);
		await until(grown('syncdoc_events_relayed_total'));
		await until(grown('syncdoc_events_malformed_total'));
		await until(grown('syncdoc_marks_total'));
		await until(grown('syncdoc_ring_written_bytes_total'));
		await until(grown('syncdoc_documents_expired_total'));
		await pair.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
		await until(grown('syncdoc_supervisor_redis_reconnects_total', { connection: 'relay' }));
		await until(grown('syncdoc_catchups_total', { result: 'complete' }));
		assert.equal((await look()).value('syncdoc_subscription_active'), 1);
	});

	test('no counter goes back: killed workers, reloads, old generations that drain', async () => {
		let last = new Map(),
			looks = 0,
			running = true;
		const compare = seen => {
			for (const [name, value] of last) {
				assert.ok(seen.has(name), `${name} is still there`);
				assert.ok(seen.get(name) >= value, `${name}: ${value}, then ${seen.get(name)}`);
			}
			last = seen;
			looks++;
		};
		const watch = (async () => {
			while (running) {
				// Between two workers' lives a connection may be cut.
				const seen = await look().catch(error => {
					if (error instanceof assert.AssertionError) throw error;
				});
				if (seen) compare(seen.counters());
			}
		})();
		watch.catch(() => {});
		const written = (await look()).value('syncdoc_writes_total');
		let puts = 0;
		const write = async () => {
			for (let i = 0; i < 10; i++) {
				const rest = pair.daemon.client({ keepAlive: false });
				assertStatus(await rest.put(documentPath('m', `back_${puts++}`), { data: {} }), 201);
				rest.close();
			}
		};
		const forks = () => look().then(seen => seen.value('syncdoc_worker_forks_total'));

		await write();
		for (let i = 0; i < 3; i++) {
			const [victim] = pair.daemon.workers().map(worker => worker.pid);
			const before = await forks();
			process.kill(victim, 'SIGKILL');
			await until(async () => !isAlive(victim) && (await forks()) > before);
			await pair.daemon.waitUntilReady();
			await write();
		}
		await untilValue('syncdoc_worker_exits_total', { reason: 'crashed' }, value => value === 3);
		// A socket holds the old generation: three processes of it count at once.
		const holder = await pair.daemon.connect();
		const reloads = (await look()).value('syncdoc_reloads_total', { result: 'done' });
		pair.daemon.process.kill('SIGHUP');
		await untilValue('syncdoc_reloads_total', { result: 'done' }, value => value > reloads);
		await pair.daemon.waitUntilReady();
		await write();
		holder.close();
		await untilValue('syncdoc_worker_draining_processes', {}, value => value === 0);
		await untilValue('syncdoc_worker_exits_total', { reason: 'drained' }, value => value === WORKERS);
		await untilValue('syncdoc_worker_up', {}, value => value === WORKERS);
		await write();
		running = false;
		await watch;
		assert.ok(looks > 5, `${looks} looks`);
		await untilValue('syncdoc_writes_total', {}, value => value === written + puts);
	});
});
