#!/usr/bin/env node
// report.mjs: DIRECTORY/README.md out of the figures that table.mjs and curves.mjs have left there.
import fs from 'node:fs';
import path from 'node:path';
import { machineText } from './lib/machine.mjs';
import { number } from './lib/statistics.mjs';

const directory = process.argv[2];
if (!directory) {
	console.error('usage: report.mjs DIRECTORY');
	process.exit(2);
}
const { machine, rows, isQuiet, isQuick } = JSON.parse(fs.readFileSync(path.join(directory, 'table.json'), 'utf8'));
const cell = text => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const lines = [
	'# Figures',
	'',
	`Made by \`sh tests/bench/all.sh\`; not written by hand. ${machineText(machine)}.`,
	'One worker and Redis share CPU 0, the clients have CPU 1.',
	'',
];
if (!isQuiet) lines.push('**Other programs were running**: they have a part in every figure, least in the ratios.', '');
if (isQuick) lines.push('Short runs, for trying out.', '');
lines.push('| what | figure | bar | aim | | from |', '|---|---|---|---|---|---|');
for (const row of rows) {
	const sign = row.isMore ? '≥' : '≤';
	const limits = row.bar === undefined ? ['', ''] : [`${sign} ${row.bar}`, `${sign} ${row.aim}`];
	lines.push(`| ${[row.what, row.value === undefined ? '–' : number(row.value), ...limits, row.verdict, row.detail ?? row.skipped ?? 'see table.json'].map(cell).join(' | ')} |`);
}
lines.push('');
for (const name of ['subscribers', 'size', 'strangers', 'load']) {
	const file = path.join(directory, `${name}.json`);
	if (fs.existsSync(file)) lines.push(`![${JSON.parse(fs.readFileSync(file, 'utf8')).title}](${name}.svg)`, '');
}
fs.writeFileSync(path.join(directory, 'README.md'), lines.join('\n'));
