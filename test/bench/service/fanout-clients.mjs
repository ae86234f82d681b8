// A process of its own: sockets that follow a run. It tells its parent when all are open, then what they saw once all have ended.
import { WebSocket } from 'ws';

const { url, subscribers } = JSON.parse(process.argv[2]);
const lags = [];
let faults = 0;
let frames = 0;

const follow = () =>
  new Promise((resolve) => {
    const socket = new WebSocket(url, ['unfold.v1']);
    let seq = 0;
    let begun = false;
    const opened = new Promise((open) => {
      socket.on('message', (data) => {
        const frame = JSON.parse(data);
        if (frame.seq !== seq + 1) faults += 1;
        seq = frame.seq;
        if (!begun) {
          // The log so far: from then on frames are live.
          begun = frame.type === 'status' && frame.status === 'running';
          if (begun) open();
          return;
        }
        frames += 1;
        if (frame.type === 'metric') lags.push(Date.now() - Date.parse(frame.at));
      });
    });
    const closed = new Promise((end) => socket.on('close', (code) => end({ code, seq })));
    socket.on('error', () => {});
    resolve({ opened, closed });
  });

const clients = [];
for (let k = 0; k < subscribers; k++) {
  clients.push(await follow());
  // A listener's queue of connections is short.
  if (k % 50 === 49) await clients.at(-1).opened;
}
await Promise.all(clients.map(({ opened }) => opened));
process.send({ type: 'open' });
const ends = await Promise.all(clients.map(({ closed }) => closed));
lags.sort((a, b) => a - b);
const at = (share) => lags[Math.floor(share * (lags.length - 1))];
process.send({
  type: 'done',
  frames,
  faults: faults + ends.filter(({ code }) => code !== 1000).length,
  last: [...new Set(ends.map(({ seq }) => seq))],
  median_ms: at(0.5),
  p99_ms: at(0.99),
  longest_ms: at(1),
});
