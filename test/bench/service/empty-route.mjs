// The least that Fastify can do with a JSON body: what requests per second are held against.
import { fastify } from 'fastify';

const app = fastify();
app.get('/health', async () => ({}));
app.post('/v1/completions', async () => ({}));
process.once('SIGTERM', () => app.close());
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
