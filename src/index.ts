/**
 * All that an application imports; each module is also an entry of its own, `effect-rq/Queue`.
 *
 * @since 0.1.0
 */

/**
 * A clock that follows the server's.
 *
 * @since 0.1.0
 */
export * as Clock from "./Clock.js"

/**
 * What others have to know of jobs: JSON Schema, and a Python module.
 *
 * @since 0.1.0
 */
export * as Contract from "./Contract.js"

/**
 * Control of the fleet: suspend it, pause a queue, end a worker.
 *
 * @since 0.1.0
 */
export * as Control from "./Control.js"

/**
 * The job that a handler runs.
 *
 * @since 0.1.0
 */
export * as CurrentJob from "./CurrentJob.js"

/**
 * Whether all is as it should be in Redis, and what mends it.
 *
 * @since 0.1.0
 */
export * as Doctor from "./Doctor.js"

/**
 * Where ids come from; seeded in tests.
 *
 * @since 0.1.0
 */
export * as Ids from "./Ids.js"

/**
 * What all are doing, and the life of one job.
 *
 * @since 0.1.0
 */
export * as Inspector from "./Inspector.js"

/**
 * Job definitions: names, Schemas, defaults.
 *
 * @since 0.1.0
 */
export * as Job from "./Job.js"

/**
 * The jobs that one worker can run, and their handlers.
 *
 * @since 0.1.0
 */
export * as JobGroup from "./JobGroup.js"

/**
 * A job as Redis holds it.
 *
 * @since 0.1.0
 */
export * as JobRecord from "./JobRecord.js"

/**
 * A lease with a token, for applications.
 *
 * @since 0.1.0
 */
export * as Lock from "./Lock.js"

/**
 * Hands jobs over, and looks at them.
 *
 * @since 0.1.0
 */
export * as Queue from "./Queue.js"

/**
 * The port to Redis.
 *
 * @since 0.1.0
 */
export * as Redis from "./Redis.js"

/**
 * Redis over the network, by ioredis.
 *
 * @since 0.1.0
 */
export * as RedisLive from "./RedisLive.js"

/**
 * A Redis in this process.
 *
 * @since 0.1.0
 */
export * as RedisMemory from "./RedisMemory.js"

/**
 * Where jobs are while they don't wait in their queue.
 *
 * @since 0.1.0
 */
export * as Registry from "./Registry.js"

/**
 * What a definition and a handler say of retries.
 *
 * @since 0.1.0
 */
export * as Retry from "./Retry.js"

/**
 * Promotes jobs when they become due.
 *
 * @since 0.1.0
 */
export * as Scheduler from "./Scheduler.js"

/**
 * Takes jobs from queues and runs their handlers.
 *
 * @since 0.1.0
 */
export * as Worker from "./Worker.js"
