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

function promtool(t, file) {
	const run = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
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
		for (const [, name, label, wanted] of text.matchAll(/(syncdoc_\w+)\{(?:[^}]*,)?(reason|result|connection)=~?"([^"]+)"/g))
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

	test('promtool takes the rules', t => promtool(t, RULES));

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
		promtool(t, file);
	});
});
