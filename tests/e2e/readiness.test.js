// readiness.test.js: /readyz?verbose says what is not as it should be, and why.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Daemon, Redis, assertStatus, until } from './harness.js';

const NAMES = ['redis', 'subscription', 'catchup', 'marks', 'supervisor', 'draining'];

async function conditions(daemon) {
	const answer = await daemon.rest.get('/readyz?verbose');
	const found = Object.fromEntries(answer.json.conditions.map(({ name, ...rest }) => [name, rest]));
	assert.deepEqual(Object.keys(found), NAMES);
	for (const [name, { ok, reason }] of Object.entries(found)) {
		assert.equal(typeof ok, 'boolean', name);
		assert.ok(reason.length > 5, name);
	}
	const allOk = Object.values(found).every(({ ok }) => ok);
	assert.equal(answer.status, answer.json.status === 'ok' ? 200 : 503);
	assert.equal(found.redis.ok, answer.json.redis);
	assert.equal(found.subscription.ok, answer.json.subscription);
	if (answer.status === 200) assert.equal(allOk, true, answer.text);
	return found;
}

test('each condition has a reason, also while Redis is away, hangs, and is back', async () => {
	const redis = await Redis.start({ persistent: true });
	const daemon = await Daemon.start({ redis, settings: { 'redis.timeout': 0.5 } });
	try {
		const fine = await conditions(daemon);
		for (const name of NAMES) assert.equal(fine[name].ok, true, name);
		assert.equal((await daemon.rest.get('/readyz')).json.conditions, undefined, 'only where it is asked for');

		await redis.process.kill9();
		await until(async () => {
			const { redis: connection, subscription, marks } = await conditions(daemon);
			return (
				!connection.ok && /refused|closed|No such file|reset/i.test(connection.reason) && !subscription.ok && !marks.ok
			);
		});
		await until(async () => /not connected/.test((await conditions(daemon)).subscription.reason));
		assertStatus(await daemon.rest.get('/livez'), 200);

		await redis.start();
		await until(async () => Object.values(await conditions(daemon)).every(({ ok }) => ok));

		redis.process.kill('SIGSTOP');
		try {
			await until(async () => {
				const { marks } = await conditions(daemon);
				return !marks.ok && Number(marks.reason.match(/([\d.]+) s ago/)[1]) >= 2;
			});
		} finally {
			redis.process.kill('SIGCONT');
		}
		await until(async () => Object.values(await conditions(daemon)).every(({ ok }) => ok));
	} finally {
		await daemon.stop();
		await redis.stop();
	}
});

test('a supervisor that has stopped makes its workers not ready', async () => {
	const redis = await Redis.start();
	const daemon = await Daemon.start({ redis });
	try {
		daemon.process.kill('SIGSTOP');
		await until(async () => !(await conditions(daemon)).supervisor.ok);
		assert.equal((await daemon.rest.get('/readyz')).status, 503);
		daemon.process.kill('SIGCONT');
		await until(async () => (await conditions(daemon)).supervisor.ok);
		await daemon.waitUntilReady();
	} finally {
		daemon.process.kill('SIGCONT');
		await daemon.stop();
		await redis.stop();
	}
});
