/**
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 */
export * as Clock from "./Clock.js"

/**
 * @since 0.1.0
 */
export * as Contract from "./Contract.js"

/**
 * @since 0.1.0
 */
export * as Control from "./Control.js"

/**
 * @since 0.1.0
 */
export * as CurrentJob from "./CurrentJob.js"

/**
 * @since 0.1.0
 */
export * as Doctor from "./Doctor.js"

/**
 * @since 0.1.0
 */
export * as Ids from "./Ids.js"

/**
 * @since 0.1.0
 */
export * as Inspector from "./Inspector.js"

/**
 * @since 0.1.0
 */
export * as Job from "./Job.js"

/**
 * @since 0.1.0
 */
export * as JobGroup from "./JobGroup.js"

/**
 * @since 0.1.0
 */
export * as JobRecord from "./JobRecord.js"

/**
 * @since 0.1.0
 */
export * as Lock from "./Lock.js"

/**
 * @since 0.1.0
 */
export * as Queue from "./Queue.js"

/**
 * @since 0.1.0
 */
export * as Redis from "./Redis.js"

/**
 * @since 0.1.0
 */
export * as RedisLive from "./RedisLive.js"

/**
 * @since 0.1.0
 */
export * as RedisMemory from "./RedisMemory.js"

/**
 * @since 0.1.0
 */
export * as Registry from "./Registry.js"

/**
 * @since 0.1.0
 */
export * as Retry from "./Retry.js"

/**
 * @since 0.1.0
 */
export * as Scheduler from "./Scheduler.js"

/**
 * @since 0.1.0
 */
export * as Worker from "./Worker.js"
