-- Who and when: what every document of mesa4core has besides its own.

-- The id of a user as documents mention them: a snapshot with `id` or `_id`, or the id alone.
create or replace macro user_ref(v) as
    list_transform([v::json], lambda j:
        coalesce(mongo_text(j->'$.id'), mongo_text(j->'$._id'), mongo_oid(j)))[1];

-- When a document was made: its own date, else that of its last change, else the epoch.
create or replace macro made_at(created, updated, epoch) as
    coalesce(mongo_ts(created), mongo_ts(updated), epoch);

-- What was repaired of that.
create or replace macro made_at_repairs(created, updated) as
    without_nulls([
        case when mongo_ts(created) is null and mongo_ts(updated) is not null then 'created_at_from_updated_at' end,
        case when mongo_ts(created) is null and mongo_ts(updated) is null then 'created_at_from_epoch' end,
        unread_cell('created_at_unreadable', mongo_ts(created), mongo_text(created)),
        unread_cell('updated_at_unreadable', mongo_ts(updated), mongo_text(updated))
    ]);
