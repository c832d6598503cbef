// client.ts: how TypeScript users write; client_package.test.js has tsc check it with --strict.
import Default, { AuthError, ConflictError, LiveDocument, Realtime, RealtimeError, applyDiff, joinPath, splitPath } from 'syncdoc-client';
import type { Diff, Envelope, Member, Resync, Subscription } from 'syncdoc-client';

interface Session {
	status: 'active' | 'ended';
	n?: number;
}

class Socket {
	constructor(readonly url: string | URL, readonly protocols?: string | string[]) {}
}

export async function documents(): Promise<void> {
	const realtime: Realtime = new Realtime('http://127.0.0.1:8080', { WebSocket: Socket, getToken: async () => 'token', offline: 'queue', heartbeatMs: 1000 });
	const same: typeof Default = Realtime;
	void new same(undefined, { token: 'x' });
	const created: Envelope<Session> = await realtime.sync.create<Session>('session', { status: 'active' }, { id: 'x', ttl: 60, idempotencyKey: true });
	const read: Envelope<Session> = await realtime.sync.get<Session>('session', created.id, { revision: 1 });
	await realtime.sync.replace<Session>('session', read.id, { status: 'ended' }, { expectedRevision: read.revision, ttl: null });
	await realtime.sync.merge('session', read.id, { n: null }, { expiresAt: Date.now() + 1000 });
	await realtime.sync.patch('session', read.id, [{ op: 'replace', path: '/status', value: 'ended' }]);
	await realtime.sync.mutate<Session>('session', read.id, data => { data.n = (data.n ?? 0) + 1; }, { maxRetries: 3, initial: { status: 'active' } });
	await realtime.sync.mutate<Session>('session', read.id, async (data, { revision }) => ({ ...data, n: revision }));
	const restored: number = (await realtime.sync.restore('session', read.id, 1)).revision;
	const { revisions, nextPageToken } = await realtime.sync.history('session', read.id, { pageSize: restored });
	const paths: string[] = Object.keys(revisions[0]?.diff?.changed ?? {});
	const { items } = await realtime.sync.list<Session>('session', { order: 'id', prefix: nextPageToken ?? '', data: true });
	const status: string | undefined = items[0]?.data?.status;
	const counts: { service: string; documents: number }[] = await realtime.sync.services();
	void [paths, status, counts, await realtime.sync.batchGet('session', ['x'])];
	await realtime.sync.delete('session', read.id, { expectedRevision: 2 }).catch((error: unknown) => {
		if (error instanceof ConflictError) return error.currentRevision + (error.document?.revision ?? 0);
		if (error instanceof AuthError || error instanceof RealtimeError) return `${error.code} ${error.status} ${String(error.failedOp)}`;
		throw error;
	});
	// @ts-expect-error a status that a session cannot have
	await realtime.sync.create<Session>('session', { status: 'paused' });
	// @ts-expect-error create has no expectedRevision
	await realtime.sync.create('session', {}, { expectedRevision: 1 });
	// @ts-expect-error neither 'reject' nor 'queue'
	void new Realtime('http://127.0.0.1', { offline: 'drop' });
}

export async function events(realtime: Realtime): Promise<void> {
	const subscription: Subscription = realtime.subscribe({ topic: 'sync.session.*', returnMode: 'both', documentId: 'x' });
	const off: () => void = realtime.on<Session>('event:sync.session.updated', ({ payload, position }) => {
		const n: number | undefined = payload.data?.n;
		const diff: Diff | undefined = payload.diff;
		void [n, diff, position.length, payload.revision + (payload.fromRevision ?? 0)];
	});
	realtime.on('event:sync.session.presence', ({ payload }) => payload.joined.map((member: Member) => member.userId));
	realtime.once('open', ({ connectionId, server }) => `${connectionId} ${server}`);
	realtime.on('state', state => (state.state === 'reconnecting' ? state.delayMs : state.state === 'closed' ? state.error?.code : undefined));
	realtime.on('resync', (resync: Resync) => resync.recovering || resync.document?.data);
	realtime.on('goaway', ({ retryAfterMs }) => retryAfterMs.toFixed());
	realtime.off('event:*');
	off();
	const { outcome, document } = await subscription.ready;
	subscription.on('event', ({ topic, payload }) => [topic, payload.documentId]);
	subscription.on('subscribed', ({ resumed }) => resumed);
	void [outcome === 'replayed', document?.revision];
	subscription.unsubscribe();
	await realtime.connect();
	await realtime.setToken('other');
	realtime.close();
	// @ts-expect-error there is no such event
	realtime.on('opened', () => {});
	// @ts-expect-error a topic is needed
	realtime.subscribe({ returnMode: 'full' });
}

export async function live(realtime: Realtime): Promise<void> {
	const document: LiveDocument<Session> = await realtime.document<Session>('session', 'x', { returnMode: 'diff', presence: true });
	document.on('updated', ({ data, diff, isOwn }) => [data?.status, diff?.removed, isOwn]);
	document.on('changed', ({ type }) => type === 'expired');
	document.on('presence', ({ joined, count }) => joined.length + count);
	await document.mutate(data => ({ ...data, n: 1 }), { ttl: 5 });
	await document.merge({ n: 1 });
	await document.refresh();
	document.close();
	// @ts-expect-error data is read only
	document.data = null;
	// @ts-expect-error made by realtime.document()
	void new LiveDocument();
	const stop = realtime.presence.on('session', 'x', ({ members, left }) => [members[0]?.data, left[0]?.userId]);
	realtime.presence.on('change', ({ documentId }) => documentId);
	await realtime.presence.join('session', 'x', { mode: 'editing', data: { name: 'Ann' } });
	await realtime.presence.update('session', 'x', { mode: 'viewing' });
	await realtime.presence.leave('session', 'x');
	stop();
	// @ts-expect-error neither viewing nor editing
	await realtime.presence.join('session', 'x', { mode: 'sleeping' });
	const data: Session = applyDiff<Session>({ status: 'active' }, { changed: { status: { from: 'active', to: 'ended' } } });
	void [data.status, splitPath('a.b'), joinPath(['a', 1])];
}
