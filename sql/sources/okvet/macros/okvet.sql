-- How OkVet writes what the shared macros do not know.

-- An animal's sex: H and F are hembra, M is macho.
create or replace macro parse_pet_sex(t) as
  case
    when left(plain_text(t), 1) = 'm' then 'M'
    when left(plain_text(t), 1) in ('h', 'f') then 'F'
  end;

-- A weight in kilograms: `12,5`, `12.5 kg`, `4500 g`; none, and what weighs more than a horse, is NULL.
create or replace macro parse_weight(t) as
  list_transform([regexp_extract(lower(trimmed(t)), '^(\d+(?:[.,]\d+)?) ?(kg|kgs|kilos|g|gr)?\.?$', ['figures', 'unit'])],
    lambda part: list_filter([try_cast(replace(part.figures, ',', '.') as decimal(12, 3)) / case when part.unit in ('g', 'gr') then 1000 else 1 end],
      lambda kilograms: kilograms > 0 and kilograms < 1000)[1])[1];

-- A microchip's figures (ISO 11784: fifteen), without spaces; anything else, also one that a spreadsheet rounded, is NULL.
create or replace macro parse_microchip(t) as
  nullif(regexp_extract(replace(replace(trimmed(t), ' ', ''), '-', ''), '^\d{9,15}$'), '');

-- Whether a date was written otherwise than dd/mm/yyyy.
create or replace macro date_spelling(name, value, cell) as
  case when value is not null and not regexp_full_match(cell, '\d{2}/\d{2}/\d{4}( \d{2}:\d{2})?') then name end;

-- What `_repairs` says of a date: `sentinel_date` where the program wrote "none", else `name` where a cell could not be read.
create or replace macro date_repair(name, value, cell) as
  case when value is null and is_sentinel_date(cell) then 'sentinel_date' else unread_cell(name, value, cell) end;

-- A line for the notes, so that a cell of which no value could be made stays where people look.
create or replace macro kept(label, value, cell) as
  case when value is null then label || ': ' || trimmed(cell) end;

-- The same of a date; that of "none" says nothing.
create or replace macro kept_date(label, value, cell) as
  case when not is_sentinel_date(cell) then kept(label, value, cell) end;

-- Whether an e-mail is read from a cell that holds something beside it: a second address, a name.
create or replace macro email_says_more(address, cell) as
  address is not null and email_text(cell) <> address;
