/**
 * A promise with a bound. Its timer is cleared, so that a process whose work is done is not held up by it.
 *
 * @internal
 */
export const within = async <A, B>(millis: number, promise: Promise<A>, otherwise: B): Promise<A | B> => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const expiry = new Promise<B>((resolve) => {
    timer = setTimeout(resolve, millis, otherwise)
  })
  try {
    return await Promise.race([promise, expiry])
  } finally {
    clearTimeout(timer)
  }
}
