// positions.js: places in the order of all writes, as clients come back with them.
import { until } from './wait.js';

// Of the last write, and of a position: ids of event streams are the same text, and may have more behind it.
export const lastSequence = async ({ redis }) => Number((await redis.command('GET', 'syncdoc:sequence')) ?? 0);
export const sequenceOf = position => Number(position.split('-')[1].split('.')[0]);

// A position that covers all writes so far: that of a subscribe is a mark behind, so it is asked for until it has come.
export async function positionNow(pair) {
	const wanted = await lastSequence(pair);
	return until(
		async () => {
			const ws = await pair.daemon.connect();
			const { position } = await ws.subscribe({ topic: 'sync.none.*' });
			ws.close();
			return sequenceOf(position) >= wanted && position;
		},
		undefined,
		'a position for all writes',
	);
}
