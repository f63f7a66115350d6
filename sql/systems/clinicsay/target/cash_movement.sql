-- one row money that went into or out of a till
select
  cash_movement.golden_id as id,
  clinic.id as clinic_id,
  coalesce(cash_register.golden_id, ulid_for('cash_register', migration.product, cash_movement.cash_register_source_id)) as cash_register_id,
  coalesce(payment.golden_id, ulid_for('payment', migration.product, cash_movement.payment_source_id)) as payment_id,
  cash_movement.direction,
  cash_movement.amount,
  cash_movement.moved_at,
  cash_movement.concept,
  coalesce(cash_movement.record_status, 'ACTIVE') as record_status,
  migration_metadata(migration.product, cash_movement.source_id, cash_movement.extra) as record_metadata,
  coalesce(cash_movement.created_at, migration.epoch) as created_at,
  coalesce(cash_movement.created_at, migration.epoch) as updated_at,
  cash_movement.source_id as _source_id,
  columns('^_(id|ids|repairs)$'),
from golden.cash_movement as cash_movement
cross join target.clinic as clinic
cross join meta.clinic as migration
left join xref.cash_register as cash_register on cash_register.source_id = cash_movement.cash_register_source_id
left join xref.payment as payment on payment.source_id = cash_movement.payment_source_id
