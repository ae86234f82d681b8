// What this machine's first GPU has of what the engine uses where it finds it, and what it lacks.
import process from 'node:process';
import { create } from 'webgpu';

const adapter = await create(['enable-dawn-features=allow_unsafe_apis']).requestAdapter();
if (!adapter) {
  console.error('Dawn finds no GPU here, or none whose driver is good enough for it.');
  process.exit(1);
}
const { description, subgroupMinSize, subgroupMaxSize, subgroupMatrixConfigs = [] } = adapter.info;
const matrices = [...subgroupMatrixConfigs].map(
  ({ componentType, resultComponentType, M, N, K }) =>
    `${componentType} → ${resultComponentType} ${M} × ${N} × ${K}`,
);
const features = {
  subgroups: `${subgroupMinSize} to ${subgroupMaxSize}`,
  'shader-f16': 'yes',
  'chromium-experimental-subgroup-matrix': matrices.join(', '),
  'timestamp-query': 'yes',
};
console.log(description);
for (const [feature, value] of Object.entries(features))
  console.log(`  ${feature}: ${adapter.features.has(feature) ? value : 'lacking'}`);
// Dawn keeps threads of its own.
process.exit(0);
