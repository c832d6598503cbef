// monitoring.test.js: packaging/prometheus and packaging/grafana name only what /metrics has, and promtool takes every expression.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeDirectory, scrape, startPair } from './harness.js';

const packaging = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../packaging');
const RULES = path.join(packaging, 'prometheus/syncdoc.rules.yml');
const rules = fs.readFileSync(RULES, 'utf8');
const dashboard = JSON.parse(fs.readFileSync(path.join(packaging, 'grafana/syncdoc.json'), 'utf8'));
const panels = dashboard.panels.filter(panel => panel.type !== 'row');
const expressions = panels.flatMap(panel => panel.targets.map(target => target.expr));

// What Grafana would put in.
const filledIn = expression =>
	expression.replaceAll('$__rate_interval', '5m').replaceAll('$instance', 'a').replaceAll('$job', 'syncdoc');

function promtool(t, file, ...verb) {
	const run = spawnSync('promtool', [...verb, file], { encoding: 'utf8' });
	if (run.error?.code === 'ENOENT') t.skip('SKIPPED: promtool is not installed (Debian package prometheus)');
	else assert.equal(run.status, 0, run.stdout + run.stderr);
	return !run.error;
}

describe('alerts and dashboard', () => {
	let pair, seen;
	before(async () => {
		pair = await startPair();
		seen = await scrape(pair.rest);
	});
	after(() => pair.stop());

	const expectKnown = text => {
		const names = new Set(text.match(/\bsyncdoc_[a-z0-9_]+/g));
		for (const name of names) assert.ok(seen.samples(name).length > 0, `${name} is not in /metrics`);
		for (const [, name, label, wanted] of text.matchAll(
			/(syncdoc_\w+)\{(?:[^}]*,)?(reason|result|connection)=~?"([^"]+)"/g,
		))
			for (const value of wanted.split('|')) assert.ok(seen.value(name, { [label]: value }) >= 0);
		return names.size;
	};

	test('rules name figures that exist', () => {
		assert.ok(expectKnown(rules) > 15);
		const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
		assert.equal(new Set(alerts).size, alerts.length);
		assert.equal(rules.match(/severity: (critical|warning|info)\b/g).length, alerts.length);
		assert.equal(rules.match(/summary: "/g).length, alerts.length);
	});

	test('promtool takes the rules', t => void promtool(t, RULES, 'check', 'rules'));

	test('the dashboard names figures that exist, in panels that do not overlap', () => {
		assert.ok(expectKnown(expressions.join('\n')) > 40);
		const taken = new Set();
		for (const { id, title, gridPos, targets, description } of panels) {
			assert.ok(title && description && targets.length > 0, `panel ${id}`);
			assert.ok(gridPos.x + gridPos.w <= 24, title);
			for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
				for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
					assert.ok(!taken.has(`${x} ${y}`), `${title} overlaps another`);
					taken.add(`${x} ${y}`);
				}
		}
		const ids = dashboard.panels.map(({ id }) => id);
		assert.equal(new Set(ids).size, ids.length);
	});

	test('promtool takes the expressions of the dashboard', t => {
		const file = path.join(makeDirectory('rules'), 'rules.yml');
		const records = expressions.map(
			(expression, i) => `      - record: panel:${i}\n        expr: ${JSON.stringify(filledIn(expression))}\n`,
		);
		fs.writeFileSync(file, `groups:\n  - name: dashboard\n    rules:\n${records.join('')}`);
		promtool(t, file, 'check', 'rules');
	});

	// Series of ten minutes, one value a minute, and the alerts that fire at their end.
	const CASES = [
		[
			'all is well',
			{ 'up{job="syncdoc",instance="a"}': '1x10', 'syncdoc_subscription_active{instance="a"}': '1x10' },
			[],
		],
		['down', { 'up{job="syncdoc",instance="a"}': '0x10' }, ['SyncdocDown']],
		['not ready', { 'syncdoc_subscription_active{instance="a"}': '0x10' }, ['SyncdocNotReady']],
		['old mark', { 'syncdoc_mark_age_seconds{instance="a"}': '6x10' }, ['SyncdocMarkAge']],
		['fresh mark', { 'syncdoc_mark_age_seconds{instance="a"}': '0.2x10' }, []],
		['no mark yet', { 'syncdoc_mark_age_seconds{instance="a"}': 'NaN NaN NaN NaN NaN NaN NaN NaN NaN NaN NaN' }, []],
		[
			'one of two workers lags, of one of two hosts',
			{
				'syncdoc_ring_lag_bytes{instance="a",worker="0"}': '600x10',
				'syncdoc_ring_lag_bytes{instance="a",worker="1"}': '10x10',
				'syncdoc_ring_lag_bytes{instance="b",worker="0"}': '600x10',
				'syncdoc_ring_size_bytes{instance="a"}': '1000x10',
				'syncdoc_ring_size_bytes{instance="b"}': '4000x10',
			},
			['SyncdocRingLag'],
		],
		['overtaken', { 'syncdoc_ring_lapped_total{instance="a",worker="0"}': '0 0 0 0 0 0 0 0 0 1 1' }, ['SyncdocLapped']],
		[
			'errors',
			{
				'syncdoc_requests_5xx_total{instance="a",worker="0"}': '0+60x10',
				'syncdoc_requests_total{instance="a",worker="0"}': '0+600x10',
			},
			['SyncdocServerErrors'],
		],
		[
			'few errors',
			{
				'syncdoc_requests_5xx_total{instance="a",worker="0"}': '0+1x10',
				'syncdoc_requests_total{instance="a",worker="0"}': '0+600x10',
			},
			[],
		],
		[
			'reconnects',
			{
				'syncdoc_redis_reconnects_total{instance="a",worker="0"}': '0+3x10',
				'syncdoc_supervisor_redis_reconnects_total{instance="a",connection="relay"}': '0+1x10',
			},
			['SyncdocRedisReconnects'],
		],
		[
			'near the limits',
			{
				'syncdoc_connections{instance="a",worker="0"}': '900x10',
				'syncdoc_http_connections{instance="a",worker="0"}': '50x10',
				'syncdoc_connections_max{instance="a",worker="0"}': '1000x10',
				'syncdoc_open_fds{instance="a",worker="0"}': '950x10',
				'syncdoc_max_fds{instance="a",worker="0"}': '1000x10',
			},
			['SyncdocConnectionsNearLimit', 'SyncdocDescriptorsNearLimit'],
		],
		[
			'no limit of descriptors',
			{ 'syncdoc_open_fds{instance="a",worker="0"}': '950x10', 'syncdoc_max_fds{instance="a",worker="0"}': '0x10' },
			[],
		],
		[
			'slow consumers',
			{ 'syncdoc_closed_overload_total{instance="a",worker="0"}': '0+10x10' },
			['SyncdocSlowConsumers'],
		],
		[
			'contention',
			{ 'syncdoc_write_contention_total{instance="a",worker="0"}': '0+60x10' },
			['SyncdocWriteContention'],
		],
		[
			'a crash',
			{ 'syncdoc_worker_exits_total{instance="a",reason="crashed"}': '0 0 0 0 0 0 0 0 1 1 1' },
			['SyncdocWorkerCrashes'],
		],
		['Redis without room', { 'syncdoc_presence_lease{instance="a"}': '1 1 1 1 1 1 1 0 0 0 0' }, ['SyncdocNoLease']],
		['a log without room', { 'syncdoc_log_lines_lost_total{instance="a",worker="0"}': '0 0 0 0 0 0 0 0 5 9 9' }, ['SyncdocLogLost']],
		[
			'a loop that was away once',
			{
				'syncdoc_loop_turn_seconds_count{instance="a",worker="0"}': '5000+30x7 5241+30x3',
				'syncdoc_loop_turn_seconds_bucket{instance="a",worker="0",le="0.25"}': '4000+30x7 4240+30x3',
			},
			['SyncdocLoopStalls'],
		],
		[
			'loops that were away long ago',
			{
				'syncdoc_loop_turn_seconds_count{instance="a",worker="0"}': '5000+30x10',
				'syncdoc_loop_turn_seconds_bucket{instance="a",worker="0",le="0.25"}': '4000+30x10',
			},
			[],
		],
		['drained', { 'syncdoc_worker_exits_total{instance="a",reason="drained"}': '0 0 0 0 0 0 0 0 1 1 1' }, []],
	];

	test('the alerts fire when they should, and only then', t => {
		const names = [...new Set([...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name))];
		const file = path.join(makeDirectory('rules'), 'cases.json');
		const tests = CASES.map(([name, series, fire]) => ({
			name,
			interval: '1m',
			input_series: Object.entries(series).map(([key, values]) => ({ series: key, values })),
			promql_expr_test: names.map(alert => ({
				eval_time: '10m',
				expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
				exp_samples: fire.includes(alert) ? [{ labels: '{}', value: 1 }] : [],
			})),
		}));
		for (const alert of CASES.flatMap(([, , fire]) => fire)) assert.ok(names.includes(alert), alert);
		// JSON is YAML.
		fs.writeFileSync(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: '30s', tests }));
		promtool(t, file, 'test', 'rules');
	});
});
