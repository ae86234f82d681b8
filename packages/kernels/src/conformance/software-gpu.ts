import { existsSync } from 'node:fs';
import { WebgpuUnavailableError } from '../webgpu/errors.ts';
import { createWebgpu, type WebgpuBackend } from '../webgpu/webgpu-backend.ts';

/** SwiftShader, a Vulkan driver that computes on the processor, as Debian's package chromium carries it. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * The engine for GPUs, on SwiftShader, which processes that are started later find as well; null where that is not installed. UNFOLD_TEST_GPU=own: on
 * what this machine has, as where VK_DRIVER_FILES names a driver; =none: nowhere.
 */
export async function openWebgpu(): Promise<WebgpuBackend | null> {
  const wish = process.env.UNFOLD_TEST_GPU;
  if (wish === 'none') return null;
  if (wish !== 'own' && existsSync(swiftShader)) process.env.VK_DRIVER_FILES ??= swiftShader;
  try {
    return await createWebgpu();
  } catch (error) {
    if (error instanceof WebgpuUnavailableError) return null;
    throw error;
  }
}
