-- clocks
create or replace macro years(d) as
  date_diff($$year$$, d, current_date);
