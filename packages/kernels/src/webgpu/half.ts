/**
 * WGSL of IEEE half precision: rounding to the nearest, ties to even, on the bits alone, since WGSL lets a device's own conversion go either way. Beyond
 * 65520 it gives infinity, below 2⁻¹⁴ multiples of 2⁻²⁴ (which a device may take for 0 when it reads them), NaN of NaN.
 */
export const half = `
fn half_bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = (bits >> 16u) & 0x8000u;
  let size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) { return sign | 0x7e00u; }
  if (size >= 0x477ff000u) { return sign | 0x7c00u; }
  if (size >= 0x38800000u) {
    return sign | ((size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u);
  }
  if (size < 0x33000000u) { return sign; }
  let shift = 126u - (size >> 23u);
  let mantissa = (size & 0x7fffffu) | 0x800000u;
  return sign | ((mantissa + (1u << (shift - 1u)) - 1u + ((mantissa >> shift) & 1u)) >> shift);
}
fn to_half(x: f32) -> f32 { return unpack2x16float(half_bits(x)).x; }
`;

/**
 * WGSL: the power of two that brings the largest magnitude of some numbers to 2¹⁴ … 2¹⁵, and its inverse, so that gradients, which are far smaller than what half
 * precision holds, keep its eleven bits; what is 2²⁹ times smaller than the largest loses some of them.
 */
export const halfScale = `
struct Scale { up: f32, down: f32 }
fn scale_for(largest: f32) -> Scale {
  let exponent = clamp(268u - ((bitcast<u32>(largest) >> 23u) & 0xffu), 2u, 252u);
  return Scale(bitcast<f32>(exponent << 23u), bitcast<f32>((254u - exponent) << 23u));
}
`;
