import { migrate } from '@unfold/store';

process.stdout.write(JSON.stringify(await migrate(process.argv[2])));
