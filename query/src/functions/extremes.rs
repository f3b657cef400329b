//! `min` and `max`, with one order of floats everywhere.
//!
//! Promises: the result of a group is that of the same rows without GROUP BY
//! and of the same rows in a window, in any order of the rows: floats are in
//! the order of ORDER BY, NaN above every number. The engine's own groups keep
//! whatever follows a NaN. Other types than floats are the engine's business.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray,
};
use arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    ReversedUDAF, SetMonotonicity, Signature, StatisticsArgs,
};

/// `min` and `max` for a session.
pub(super) fn both() -> Vec<Arc<AggregateUDF>> {
    let of = |end, engine| Arc::new(AggregateUDF::from(Extreme { end, engine }));
    vec![of(End::Least, min_udaf()), of(End::Greatest, max_udaf())]
}

/// Which end of the order is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Least,
    Greatest,
}

impl End {
    fn replaces<N: ArrowNativeTypeOp>(self, new: N, kept: N) -> bool {
        match self {
            End::Least => new.is_lt(kept),
            End::Greatest => new.is_gt(kept),
        }
    }
}

/// The engine's function, but for groups of floats.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    end: End,
    engine: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn signature(&self) -> &Signature {
        self.engine.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.engine.return_type(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.engine.coerce_types(arguments)
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.engine.accumulator(arguments)
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.engine.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.engine.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match arguments.return_field.data_type() {
            DataType::Float16 => Ok(Box::new(Extremes::<Float16Type>::new(self.end))),
            DataType::Float32 => Ok(Box::new(Extremes::<Float32Type>::new(self.end))),
            DataType::Float64 => Ok(Box::new(Extremes::<Float64Type>::new(self.end))),
            _ => self.engine.create_groups_accumulator(arguments),
        }
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        self.engine.create_sliding_accumulator(arguments)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.engine.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn is_descending(&self) -> Option<bool> {
        self.engine.is_descending()
    }

    fn value_from_stats(&self, arguments: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.engine.value_from_stats(arguments)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.engine.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.documentation()
    }
}

/// The extreme value of each group; `None` until a group has a value.
struct Extremes<T: ArrowPrimitiveType> {
    end: End,
    kept: Vec<Option<T::Native>>,
}

impl<T: ArrowPrimitiveType> Extremes<T> {
    fn new(end: End) -> Self {
        Extremes {
            end,
            kept: Vec::new(),
        }
    }

    fn keep(&mut self, group: usize, new: T::Native) {
        let kept = &mut self.kept[group];
        if kept.is_none_or(|kept| self.end.replaces(new, kept)) {
            *kept = Some(new);
        }
    }
}

impl<T: ArrowPrimitiveType> GroupsAccumulator for Extremes<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.kept.resize(group_count, None);
        let passes = |row| filter.is_none_or(|f| f.is_valid(row) && f.value(row));
        for (row, value) in values[0].as_primitive::<T>().iter().enumerate() {
            if let Some(value) = value
                && passes(row)
            {
                self.keep(groups[row], value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let kept = emit_to.take_needed(&mut self.kept);
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(kept)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        groups: &[usize],
        group_count: usize,
    ) -> Result<()> {
        self.update_batch(states, groups, None, group_count)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let Some(filter) = filter else {
            return Ok(values.to_vec());
        };
        let passes = |row| filter.is_valid(row) && filter.value(row);
        let values = values[0].as_primitive::<T>().iter().enumerate();
        let passed = values.map(|(row, value)| value.filter(|_| passes(row)));
        Ok(vec![Arc::new(PrimitiveArray::<T>::from_iter(passed))])
    }

    fn size(&self) -> usize {
        self.kept.capacity() * size_of::<Option<T::Native>>()
    }
}
