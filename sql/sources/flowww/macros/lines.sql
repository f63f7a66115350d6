-- what budgets and invoices of flowww have in common: their lines

-- The columns of a line's record that say something and could not be read; a discount is not one that lacks its quantity only.
create or replace macro unread_cells_of_line(record, line) as without_nulls([
    unread_cell('Línea', line['position'], record['Línea']),
    unread_cell('Cantidad', line['quantity'], record['Cantidad']),
    case when line['quantity'] is not null or parse_decimal(record['Dto. %']) is null
        then unread_cell('Dto. %', line['discount'], record['Dto. %']) end,
    unread_cell('IVA %', line['tax_rate'], record['IVA %'])
]);
