// machine.mjs: which machine figures are from, which process has which CPU, and what processes use.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';

export const CPUS = os.availableParallelism?.() ?? os.cpus().length;

// Servers and what belongs to them on CPU 0, clients on CPU 1, so that neither takes the other's time.
export const SERVER_CPU = 0,
	CLIENT_CPU = 1;

export function pin(pids, cpu) {
	if (CPUS < 2) return;
	for (const pid of pids) execFileSync('taskset', ['-a', '-p', '-c', String(cpu), String(pid)], { stdio: 'ignore' });
}

// A command line that runs on that CPU from its first instruction.
export const pinned = (cpu, command, args) => (CPUS < 2 ? [command, args] : ['taskset', ['-c', String(cpu), command, ...args]]);

const TICKS_PER_S = 100;

// Nanoseconds, of all threads; where the kernel does not count them, ticks.
function cpuOf(pid) {
	const read = name => fs.readFileSync(`/proc/${pid}/${name}`, 'latin1');
	try {
		return fs
			.readdirSync(`/proc/${pid}/task`)
			.reduce((sum, task) => sum + Number(read(`task/${task}/schedstat`).split(' ')[0]) / 1e9, 0);
	} catch {
		const fields = read('stat').split(') ')[1].split(' ');
		return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
	}
}

export const cpuSeconds = pids => pids.reduce((sum, pid) => sum + cpuOf(pid), 0);

// Their own bytes: the ring's pages are shared, and there from the start.
export const privateBytes = pids =>
	pids.reduce((sum, pid) => sum + Number(/Private_Dirty: +(\d+)/.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))[1]) * 1024, 0);

function versionOf(command, args, pattern) {
	try {
		const text = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
		return pattern.exec(text)?.[0] ?? 'unknown';
	} catch {
		return 'none';
	}
}

export function describeMachine() {
	const processor = os.cpus()[0]?.model ?? 'unknown';
	return {
		date: new Date().toISOString().slice(0, 16) + 'Z',
		processor,
		cpus: CPUS,
		memoryGiB: Math.round(os.totalmem() / 2 ** 30),
		kernel: os.release(),
		load: os.loadavg().map(value => Number(value.toFixed(1))),
		redis: versionOf('redis-server', ['--version'], /v=[\d.]+/),
		node: process.version,
	};
}

// Above it the other programs here are a part of all figures.
export const isQuiet = () => os.loadavg()[0] < 0.7;

export function machineText(machine) {
	return `${machine.date}, ${machine.processor}, ${machine.cpus} CPUs, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Redis ${machine.redis}, Node ${machine.node}, load ${machine.load.join(' ')}`;
}
